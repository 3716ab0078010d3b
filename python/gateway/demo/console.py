"""Where the evening is shown."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class DemoConsole(Console):
    """Standard output. Somebody who stops reading it, as `head` does, ends the demo like any other failure.

    Rich would raise SystemExit, which asyncio lets through a task and reports as lost.
    """

    def on_broken_pipe(self) -> NoReturn:
        """Raise BrokenPipeError; `gateway` knows it, and ends without a word."""
        raise BrokenPipeError
