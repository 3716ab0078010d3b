"""One answer's worth of a room's history, whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from gateway.errors import PositionUnknownError
from gateway.ingest.shared_reads import ReadSize
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position
from gateway.types import Room

MAX_BYTES: Final = 1024 * 1024
"""Payload of one answer."""

MAX_READS: Final = 64
"""Reads for one answer, each of a page's bytes or one event: 4 MiB, of which few events may be the asker's."""


class HistoryReads(Protocol):
    """Where history is read; `ingest.shared_reads.SharedReads` keeps it."""

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        """See `SharedReads.after`."""
        ...

    async def kept(self, room: Room, limit: int) -> HistoryPage:
        """See `SharedReads.kept`."""
        ...


class CaughtUp(NamedTuple):
    """An answer.

    Attributes:
        events: those that the asker may see, oldest first.
        position: up to where was looked, whether the events there were the asker's or not: the next `since`.
        more: whether there is more behind it.
    """

    events: list[CriticalEvent]
    position: Position
    more: bool


async def read_history(
    reads: HistoryReads, room: Room, since: Position | None, limit: int, may_see: Callable[[Sequence[str]], bool]
) -> CaughtUp:
    """The events after a position, or all that are kept, whose audiences the asker may see.

    Args:
        reads: where they are read.
        room: whose.
        since: None for all that are kept.
        limit: events at most; `MAX_BYTES` may end the answer sooner.
        may_see: is asked with an event's audiences.

    Raises:
        PositionUnknownError: what has happened since cannot be told.
        BrokerError: Redis is away.
    """
    size = ReadSize()
    page = await (reads.kept(room, size.limit) if since is None else reads.after(room, since, size.limit))
    if not page.known:
        raise PositionUnknownError(
            "the position is not known any more: fetch the state anew, and go on with the position of a `welcome`"
        )
    # Nothing kept, and nothing asked for: what comes next comes after the head.
    position = since or page.head
    events: list[CriticalEvent] = []
    bytes_left = MAX_BYTES
    for _ in range(MAX_READS):
        for event in page.entries:
            if may_see(event.audiences):
                bytes_left -= len(event.payload)
                if len(events) == limit or bytes_left < 0:
                    return CaughtUp(events, position, more=True)
                events.append(event)
            position = event.position
        if not page.more:
            return CaughtUp(events, position, more=False)
        size.learn(page.entries)
        page = await reads.after(room, position, size.limit)
        if not page.known:
            break  # forgotten meanwhile; who asks on from here is told
    return CaughtUp(events, position, more=True)
