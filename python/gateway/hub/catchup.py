"""Missed critical events over HTTP: for clients that have no connection, or have lost their position."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from gateway.errors import BrokerError, ForbiddenError, PositionUnknownError
from gateway.fanout.base import Membership
from gateway.hub.authenticator import Authenticator
from gateway.hub.profiles import DINER, WAITER
from gateway.hub.sectors import CachedSectorDirectory
from gateway.ingest.shared_reads import ReadSize
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position
from gateway.types import Room

MAX_EVENTS: Final = 500
"""Events of one answer."""

MAX_BYTES: Final = 1024 * 1024
"""Their payload, so that `CONCURRENT` answers are 16 MiB at most."""

MAX_READS: Final = 64
"""Reads for one answer, each of a page's bytes or one event: 4 MiB, of which few events may be the asker's."""

CONCURRENT: Final = 16
"""Answers that are put together at the same time."""

SECONDS: Final = 10.0
"""Within which one is given, waiting for its turn included."""


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


class Catchup:
    """Reads history for who shows a token; nothing is kept between two questions. For one event loop.

    Every method raises `TokenError` (bad, expired or revoked), `ForbiddenError` (the branch or the session is not the
    token's), `PositionUnknownError` (the state is to be fetched anew) or `BrokerError` (Redis is away, or too slow).
    """

    def __init__(self, authenticator: Authenticator, sectors: CachedSectorDirectory, reads: HistoryReads) -> None:
        self._authenticator = authenticator
        self._sectors = sectors
        self._reads = reads
        self._turns = asyncio.Semaphore(CONCURRENT)

    async def branch(self, token: str, branch: int, since: Position | None) -> CaughtUp:
        """What the bearer of a JWT missed in a branch: in any audience that it could join there, on any endpoint."""
        try:
            async with asyncio.timeout(SECONDS), self._turns:
                identity, profiles = await self._authenticator.authenticate_staff(token)
                if branch not in identity.branches:
                    raise ForbiddenError(f"branch {branch} is not in the token")
                sectors = await self._sectors.of_identity(WAITER, identity) if WAITER in profiles else ()
                memberships = [member for profile in profiles for member in profile.memberships(identity, sectors)]
                return await self._collect(Room(identity.tenant, branch), memberships, since)
        except TimeoutError:
            raise _too_slow() from None

    async def session(self, token: str, session: int, since: Position | None) -> CaughtUp:
        """What the bearer of a table token missed of its table session."""
        try:
            async with asyncio.timeout(SECONDS), self._turns:
                identity = await self._authenticator.authenticate(DINER, token)
                if session != identity.session:
                    raise ForbiddenError(f"table session {session} is not the token's")
                memberships = DINER.memberships(identity, ())
                return await self._collect(memberships[0].room, memberships, since)
        except TimeoutError:
            raise _too_slow() from None

    async def _collect(self, room: Room, memberships: Iterable[Membership], since: Position | None) -> CaughtUp:
        audiences = frozenset(name for member in memberships if member.room == room for name in member.audiences)
        size = ReadSize()
        reads, limit = self._reads, size.limit
        page = await (reads.kept(room, limit) if since is None else reads.after(room, since, limit))
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
                if not audiences.isdisjoint(event.audiences):
                    bytes_left -= len(event.payload)
                    if len(events) == MAX_EVENTS or bytes_left < 0:
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


def _too_slow() -> BrokerError:
    return BrokerError(f"history was not read within {SECONDS:g} s; ask again later")
