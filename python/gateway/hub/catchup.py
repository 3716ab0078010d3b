"""Missed critical events over HTTP: for clients that have no connection, or have lost their position."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from gateway.errors import BrokerError, ForbiddenError
from gateway.fanout.base import Membership
from gateway.hub.authenticator import Authenticator
from gateway.hub.history_page import CaughtUp, HistoryReads, read_history
from gateway.hub.profiles import DINER, WAITER
from gateway.hub.sectors import CachedSectorDirectory
from gateway.protocol.positions import Position
from gateway.types import Room

MAX_EVENTS: Final = 500
"""Events of one answer."""

CONCURRENT: Final = 16
"""Answers that are put together at the same time."""

SECONDS: Final = 10.0
"""Within which one is given, waiting for its turn included."""


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
        return await read_history(self._reads, room, since, MAX_EVENTS, lambda names: not audiences.isdisjoint(names))


def _too_slow() -> BrokerError:
    return BrokerError(f"history was not read within {SECONDS:g} s; ask again later")
