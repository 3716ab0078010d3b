"""What a display of the evening is, and the one that writes plain lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console

from gateway.demo.report import latency_text
from gateway.demo.scoreboard import Scoreboard


@dataclass(frozen=True, slots=True)
class Programme:
    """What stands above the numbers.

    Attributes:
        url: the gateway.
        branches: how many restaurants there are.
        seconds: how long the evening lasts; None is until Ctrl-C.
        hint: a command to try in another terminal.
        page: where the page is that plays an evening in a browser, or why it is not there.
    """

    url: str
    branches: int
    seconds: float | None
    hint: str
    page: str


class Display(Protocol):
    """Shows a scoreboard as it changes; used as a context manager."""

    interval: float
    """Seconds between two calls of `show`."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...

    def show(self, elapsed: float) -> None:
        """Show the numbers as they stand, so many seconds after the doors opened."""
        ...


class PlainDisplay:
    """One line a second, for a pipe or a log."""

    interval = 1.0

    def __init__(self, console: Console, scoreboard: Scoreboard, programme: Programme) -> None:
        self._console = console
        self._scoreboard = scoreboard
        self._programme = programme

    def __enter__(self) -> Self:
        self._say(f"An evening in {self._programme.branches} restaurants at {self._programme.url}")
        self._say(self._programme.page)
        return self

    def __exit__(self, *exception: object) -> None:
        """Nothing to give back."""

    def show(self, elapsed: float) -> None:
        """See `Display.show`."""
        board = self._scoreboard
        self._say(
            f"{elapsed:6.1f} s  connections {board.connections.total()}  published {board.published}"
            f"  delivered {board.delivered}/{board.expected}  wrong {board.wrong}  {latency_text(board.latency())}"
        )

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)
