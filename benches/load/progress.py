"""How far a run has come, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def progress(title: str, steps: int) -> Iterator[Callable[[str], None]]:
    """A bar in a terminal, plain lines elsewhere; call what it gives with what was just done."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=steps)

        def step(text: str) -> None:
            bar.advance(task)
            console.print(f"{title}: {text}", markup=False, soft_wrap=True)

        yield step
