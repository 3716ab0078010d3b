"""Ports of resuming: what hub asks of it, what it asks of the fan-out, and what it tells telemetry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final, Protocol

from gateway.fanout.base import ConnectionInfo, Membership, PageEntry
from gateway.protocol.positions import Position
from gateway.types import ConnectionId

PAGE_BYTES: Final = 64 * 1024
"""Payload of one page, and of one read that is kept. An event is never larger."""


class ResumeOutcome(StrEnum):
    """What came of a branch that a client asked to resume; every one that is its own is counted once."""

    RING = "ring"
    HISTORY = "history"
    UNKNOWN = "unknown"
    GAP = "gap"
    TIMED_OUT = "timed_out"
    TOO_MANY = "too_many"
    LEFT = "left"


RESUME_OUTCOMES: dict[ResumeOutcome, str] = {
    ResumeOutcome.RING: "nothing was missed, or the node remembered all of it",
    ResumeOutcome.HISTORY: "what was missed was read from history",
    ResumeOutcome.UNKNOWN: "the position is not known any more: `resumed` was false",
    ResumeOutcome.GAP: "history ended on the way: the client was told by a `gap`",
    ResumeOutcome.TIMED_OUT: "it made no end in time: closed with 1013",
    ResumeOutcome.TOO_MANY: "too many others were being resumed: closed with 1013",
    ResumeOutcome.LEFT: "the connection ended first",
}
"""What each means, for the documentation."""


class ResumeFanout(Protocol):
    """The part of the fan-out that a resume uses. Every method is called on the event loop."""

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """See `fanout.base.Fanout.info`."""
        ...

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        """See `fanout.base.Fanout.page`."""
        ...

    def close(self, connection: ConnectionId, code: int) -> bool:
        """See `fanout.base.Fanout.close`."""
        ...


class Resume(Protocol):
    """What is decided for one connection, valid in the step of the loop in which it was given, and in no later one."""

    @property
    def resumed(self) -> Mapping[int, bool]:
        """Branch to whether it is resumed; of the branches that were asked for, those that are the connection's own."""
        ...

    @property
    def positions(self) -> Mapping[int, Position]:
        """Branch to the position of `welcome`, for those that are resumed: the one that the client brought."""
        ...

    @property
    def needs_pages(self) -> bool:
        """Whether the connection is to be attached as resuming."""
        ...

    def begin(self, connection: ConnectionId) -> None:
        """Hand history over to the connection, which was attached in this step of the loop. Never raises."""
        ...


class Resumption(Protocol):
    """What the hub asks; `Resumes` keeps it."""

    def prepare(
        self, memberships: Sequence[Membership], asked: Mapping[int, Position]
    ) -> AbstractAsyncContextManager[Resume]:
        """Decide what is resumed, for a connection that is about to be attached; its rooms are held.

        Between entering the block and `attach` nothing may await: what is handed over ends where the node's cursors
        stand on entry. Leaving it gives back what was taken, unless `begin` was called.

        Args:
            memberships: what the connection will be attached with.
            asked: branch to position. Other branches than the connection's own are left out: its rights may have
                shrunk since, and that is no reason to turn it away.

        Raises:
            TooManyResumesError: no place became free in time.
            BrokerError: history cannot be read.
        """
        ...

    def on_page(self, connection: ConnectionId) -> None:
        """The connection wants its next page (`fanout.base.PageNotice`)."""
        ...

    def on_closed(self, connection: ConnectionId) -> None:
        """A connection is gone, whether it was being resumed or not."""
        ...


class ResumeObserver(Protocol):
    """Told of resumes; called on the event loop, must not block or raise."""

    def on_resume(self, outcome: ResumeOutcome) -> None:
        """What came of one branch."""
        ...

    def on_replays(self, running: int) -> None:
        """So many connections are being given history page by page now."""
        ...
