"""One connection's history, handed over page by page as its client takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

from gateway.errors import BrokerError, ConnectionGoneError
from gateway.fanout.base import Membership, PageEntry
from gateway.ingest.resume_base import PAGE_BYTES, ResumeFanout, ResumeOutcome
from gateway.ingest.resume_plan import Leg
from gateway.ingest.shared_reads import ReadSize, SharedReads
from gateway.protocol.live import CriticalEvent
from gateway.protocol.messages import critical_gap
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import ConnectionId, Room

AWAY_SECONDS: Final = (0.1, 2.0)
"""Shortest and longest wait after history could not be read."""

_log = logging.getLogger("gateway.ingest")


class _Waiting(NamedTuple):
    """What the next page will hold: an event, or None where the client is told of a gap."""

    room: Room
    event: CriticalEvent | None


class Replay:
    """Hands the legs of a plan over, one after the other. For one event loop.

    While the client takes a page the next one is read. It holds no more than these two, and what the plan kept.

    Whom an event is for is asked of the fan-out when its page is given: a refresh may have changed that since. A branch
    that the connection has lost meanwhile is not read any further.

    Args:
        connection: attached as resuming.
        legs: where each room's history begins and ends.
        reads: where history is read.
        fanout: takes the pages.
        sleep: waits for some seconds.

    Attributes:
        outcomes: what came of the legs that have ended, in their order.
    """

    def __init__(
        self,
        connection: ConnectionId,
        legs: Sequence[Leg],
        reads: SharedReads,
        fanout: ResumeFanout,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.connection = connection
        self.outcomes: list[ResumeOutcome] = []
        self._legs = legs
        self._reads = reads
        self._fanout = fanout
        self._sleep = sleep
        self._taken = asyncio.Event()
        self._taken.set()  # the connection has nothing yet
        self._page: list[_Waiting] = []
        self._size = 0

    @property
    def unfinished(self) -> int:
        """Legs that have not ended."""
        return len(self._legs) - len(self.outcomes)

    def on_taken(self) -> None:
        """The client has taken the last page."""
        self._taken.set()

    async def run(self) -> None:
        """Hand everything over. A caller bounds it in time; history that cannot be read is waited for.

        Raises:
            ConnectionGoneError: the connection has left.
            ValueError: see `Fanout.page`.
        """
        for leg in self._legs:
            self.outcomes.append(await self._hand_over(leg))
        await self._give(last=True)

    async def _hand_over(self, leg: Leg) -> ResumeOutcome:
        room, position = leg.room, leg.position
        for event in leg.events:
            await self._add(room, event)
        size = ReadSize()
        while position != leg.target:
            audiences = self._audiences(room)
            if not audiences:
                return leg.outcome
            page = await self._read(room, position, size.limit)
            if page.known and not page.entries:
                # It may be an answer from before the target was written, which others have asked for.
                page = await self._read(room, position, size.limit, anew=True)
            if not page.entries:
                _log.info(
                    "history ended before a client was resumed, and it was told",
                    extra={"room": room, "position": position, "known": page.known},
                )
                await self._add(room, None)
                return ResumeOutcome.GAP
            for event in page.entries:
                position = event.position
                if not audiences.isdisjoint(event.audiences):
                    await self._add(room, event)
                if position == leg.target:
                    break
            size.learn(page.entries)
        return leg.outcome

    async def _add(self, room: Room, event: CriticalEvent | None) -> None:
        size = 0 if event is None else len(event.payload)
        if self._page and self._size + size > PAGE_BYTES:
            await self._give(last=False)
        self._page.append(_Waiting(room, event))
        self._size += size

    async def _give(self, *, last: bool) -> None:
        await self._taken.wait()
        # From here to `page` nothing awaits, so that no refresh comes between the question and the page.
        memberships = self._fanout.info(self.connection).memberships
        entries = entries_for(memberships, self._page)
        self._page.clear()
        self._size = 0
        if entries or last:
            self._taken.clear()
            if not self._fanout.page(self.connection, entries, last=last):
                raise ConnectionGoneError("the connection left while it was being resumed")

    def _audiences(self, room: Room) -> frozenset[str]:
        return _audiences_in(self._fanout.info(self.connection).memberships).get(room, frozenset())

    async def _read(self, room: Room, position: Position, limit: int, *, anew: bool = False) -> HistoryPage:
        waits = DecorrelatedJitter(*AWAY_SECONDS)
        while True:
            try:
                return await self._reads.after(room, position, limit, anew=anew)
            except BrokerError as error:
                _log.debug("a room cannot be read for a client: %s", error, extra={"room": room})
                await self._sleep(waits.next())


def entries_of(legs: Iterable[Leg]) -> list[PageEntry]:
    """The one page of legs that are whole, filtered already."""
    return [PageEntry(event.payload, event.position) for leg in legs for event in leg.events]


def entries_for(
    memberships: Sequence[Membership], waiting: Iterable[tuple[Room, CriticalEvent | None]]
) -> list[PageEntry]:
    """What a connection with these memberships may see; gaps of the branches that it has."""
    audiences = _audiences_in(memberships)
    entries: list[PageEntry] = []
    for room, event in waiting:
        own = audiences.get(room)
        if own is None:
            continue
        if event is None:
            entries.append(PageEntry(critical_gap(room.branch).encode(), None))
        elif not own.isdisjoint(event.audiences):
            entries.append(PageEntry(event.payload, event.position))
    return entries


def _audiences_in(memberships: Iterable[Membership]) -> dict[Room, frozenset[str]]:
    return {membership.room: frozenset(membership.audiences) for membership in memberships}
