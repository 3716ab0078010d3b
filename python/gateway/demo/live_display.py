"""The evening in a terminal, redrawn four times a second."""

from __future__ import annotations

from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.display import Programme
from gateway.demo.report import latency_text
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.world import Post


class LiveDisplay:
    """The whole terminal, four times a second."""

    interval = 0.25

    def __init__(self, console: Console, scoreboard: Scoreboard, programme: Programme) -> None:
        self._scoreboard = scoreboard
        self._programme = programme
        # Refreshed by `show` alone: rich's own thread would read the numbers while the event loop changes them.
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def show(self, elapsed: float) -> None:
        """See `Display.show`."""
        self._live.update(
            Group(self._header(elapsed), self._posts(), self._numbers(), self._latest(), self._hint()), refresh=True
        )

    def _header(self, elapsed: float) -> Panel:
        programme = self._programme
        time = (
            f"{elapsed:.0f} s, until Ctrl-C"
            if programme.seconds is None
            else f"{elapsed:.0f} of {programme.seconds:g} s"
        )
        text = f"{programme.branches} restaurants at {programme.url}   {time}\n{programme.page}"
        return Panel(Text(text), title="Fanout Gateway: a simulated evening", title_align="left")

    def _posts(self) -> Table:
        board = self._scoreboard
        table = Table(expand=True)
        for column in ("endpoint", "connections", "events received", "last event"):
            table.add_column(column, justify="right" if column in ("connections", "events received") else "left")
        for post in Post:
            table.add_row(
                f"/ws/{post}",
                str(board.connections[post]),
                str(board.by_post[post]),
                Text(board.last_event.get(post, "")),
            )
        return table

    def _numbers(self) -> Text:
        board = self._scoreboard
        text = Text(
            f"published {board.published}   delivered {board.delivered}   on the way {board.outstanding}"
            f"   {latency_text(board.latency())}   "
        )
        text.append(f"wrong {board.wrong}", style="bold red" if board.wrong else "green")
        return text

    def _latest(self) -> Table:
        table = Table(title="latest publications", title_justify="left", expand=True)
        for column in ("tenant", "branch", "channel", "event", "reaches"):
            table.add_column(column, no_wrap=True)
        for publication, reach in reversed(self._scoreboard.latest):
            kind, number = publication.channel
            table.add_row(
                str(publication.room.tenant),
                str(publication.room.branch),
                kind.of(number),
                Text(publication.type),
                "nobody: a mistake on purpose" if publication.stray else str(reach),
            )
        return table

    def _hint(self) -> Text:
        return Text(f"In another terminal:\n{self._programme.hint}", style="dim")
