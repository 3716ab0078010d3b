"""Who is connected to this node, as the operator asks: by connection, by room, by branch.

Nothing is counted along the way: the core is asked, page by page, and gives the event loop its turn between two pages.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

import msgspec

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import ConnectionInfo, Fanout
from gateway.hub.census_views import ConnectionView, Found, Group, Presence, RoomsFound, RoomView
from gateway.hub.label import Label
from gateway.hub.node_question import MAX_ANSWER_BYTES
from gateway.protocol.positions import Position
from gateway.types import Clock, ConnectionId, Room

PAGE: Final = 64
"""Connections that are looked at between two turns of the event loop: about a millisecond."""

MOST_BYTES: Final = MAX_ANSWER_BYTES // 2
"""JSON of one page; with the one thing that goes over it, it is still an answer."""

MOST_PRESENT: Final = 5_000
"""Users, and table sessions, of one branch that a node names: a megabyte. Restaurants have fewer."""

LOOK_SECONDS: Final = 0.5
"""How long a page of connections may take to be found: half of what other nodes wait for it."""

SHARE: Final = 5.0
"""A count of all rooms is good for so many times as long as it took, and at least for `FRESH_SECONDS`: however many
people look, no more than a sixth of the event loop's time goes into counting."""

FRESH_SECONDS: Final = 1.0


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which connections; what is None does not matter. Branch, user and session have meaning with a tenant alone."""

    tenant: int | None = None
    branch: int | None = None
    user: str | None = None
    session: int | None = None
    endpoint: str | None = None

    def includes(self, info: ConnectionInfo) -> bool:
        """Whether a connection is one of them."""
        if self.tenant is not None and info.identity.tenant != self.tenant:
            return False
        if self.branch is not None and all(member.room.branch != self.branch for member in info.memberships):
            return False
        if self.user is not None and f"user:{self.user}" not in info.identity.keys:
            return False
        if self.session is not None and f"session:{self.session}" not in info.identity.keys:
            return False
        return self.endpoint is None or endpoint_of(info) == self.endpoint


class _Count(NamedTuple):
    """Connections by room, and by audience of a room."""

    members: Counter[Room]
    audiences: defaultdict[Room, Counter[str]]


class Census:
    """Looks at this node's connections. For one event loop.

    A list shows who was there when the look came by: who joins or leaves meanwhile may be in it or not.
    """

    def __init__(
        self,
        fanout: Fanout,
        node: str,
        position: Callable[[Room], Position | None],
        clock: Clock,
        *,
        page: int = PAGE,
    ) -> None:
        """`node`: this node's name; `position`: up to where it has submitted a room, None where that is not known."""
        self._fanout = fanout
        self._node = node
        self._position = position
        self._clock = clock
        self._page = page
        self._counting = asyncio.Lock()
        self._good_until = -math.inf
        self._last_count = _Count(Counter(), defaultdict(Counter))

    async def connections(self, wanted: Wanted, after: int, limit: int) -> Found:
        """The connections that are wanted with a number above `after`, oldest first, at most `limit`.

        Who is asked for somebody rare among very many looks for `LOOK_SECONDS`, and says how far it came.
        """
        found: list[ConnectionView] = []
        size = 0
        until = self._clock.monotonic() + LOOK_SECONDS
        async for info in self._candidates(wanted, after):
            if wanted.includes(info):
                found.append(self._view(info))
                size += len(msgspec.json.encode(found[-1]))
                if len(found) == limit:
                    break
            if size > MOST_BYTES or self._clock.monotonic() >= until:
                return Found(found, info.connection)
        return Found(found)

    async def rooms(self, tenant: int | None, after: Room, limit: int) -> RoomsFound:
        """The rooms with members that sort behind `after`, in order, at most `limit`.

        Of all tenants together they are counted at most every `FRESH_SECONDS`, see `SHARE`.
        """
        count = await (self._shared_count() if tenant is None else self._count(tenant))
        found: list[RoomView] = []
        size = 0
        for room in sorted(room for room in count.members if room > after)[:limit]:
            if size > MOST_BYTES:
                return RoomsFound(found, is_cut=True)
            audiences = dict(sorted(count.audiences[room].items()))
            found.append(RoomView(*room, count.members[room], audiences, self._position(room)))
            size += len(msgspec.json.encode(found[-1]))
        return RoomsFound(found)

    async def _shared_count(self) -> _Count:
        async with self._counting:  # whoever comes meanwhile gets the same
            if self._clock.monotonic() >= self._good_until:
                begun = self._clock.monotonic()
                self._last_count = await self._count(None)
                now = self._clock.monotonic()
                self._good_until = now + max(FRESH_SECONDS, SHARE * (now - begun))
            return self._last_count

    async def _count(self, tenant: int | None) -> _Count:
        count = _Count(Counter(), defaultdict(Counter))
        async for info in self._all(tenant, 0):
            for room, names in info.memberships:
                count.members[room] += 1
                count.audiences[room].update(names)
        return count

    async def presence(self, room: Room) -> Presence:
        """Who is in a room, up to `MOST_PRESENT` users and as many table sessions."""
        users: defaultdict[str, Counter[str]] = defaultdict(Counter)
        sessions: Counter[int] = Counter()
        is_cut = False
        async for info in self._all(room.tenant, 0):
            if all(member.room != room for member in info.memberships):
                continue
            subject = subject_of(info)
            kind, _, name = subject.partition(":")
            if kind == "session":
                if int(name) not in sessions and len(sessions) == MOST_PRESENT:
                    is_cut = True
                    continue
                sessions[int(name)] += 1
            elif subject not in users and len(users) == MOST_PRESENT:
                is_cut = True
            else:
                users[subject][endpoint_of(info) or "other"] += 1
        nodes = (self._node,)
        return Presence(
            {subject: Group(dict(counts), nodes) for subject, counts in users.items()},
            {session: Group({"diner": count}, nodes) for session, count in sessions.items()},
            is_cut,
        )

    async def _candidates(self, wanted: Wanted, after: int) -> AsyncIterator[ConnectionInfo]:
        key = None
        if wanted.tenant is not None and wanted.user is not None:
            key = f"user:{wanted.user}"
        elif wanted.tenant is not None and wanted.session is not None:
            key = f"session:{wanted.session}"
        if key is None:
            async for info in self._all(wanted.tenant, after):
                yield info
            return
        for connection in self._fanout.find(wanted.tenant, key):
            if connection > after:
                try:
                    yield self._fanout.info(connection)
                except ConnectionGoneError:
                    continue  # since it was found: who takes it may have waited

    async def _all(self, tenant: int | None, cursor: int) -> AsyncIterator[ConnectionInfo]:
        while True:
            page, cursor = self._fanout.list(tenant, cursor, self._page)
            for info in page:
                yield info
            if not cursor:
                return
            await asyncio.sleep(0)

    def _view(self, info: ConnectionInfo) -> ConnectionView:
        identity = info.identity
        return ConnectionView(
            connection=f"{self._node}-{info.connection}",
            node=self._node,
            tenant=identity.tenant,
            subject=subject_of(info),
            endpoint=endpoint_of(info),
            branches=[member.room.branch for member in info.memberships],
            audiences=sorted({name for member in info.memberships for name in member.audiences}),
            since=Label.decode(identity.label).since if identity.label else None,
            expires_at=identity.expires_at,
            outbox_bytes=self._fanout.waiting(info.connection),
            positions={str(branch): text for branch, text in self._fanout.positions(info.connection).items()},
        )


def subject_of(info: ConnectionInfo) -> str:
    """Who is behind a connection: `user:12` or `session:77`; empty where another application attached it without."""
    return info.identity.keys[0] if info.identity.keys else ""


def endpoint_of(info: ConnectionInfo) -> str | None:
    """The endpoint that a connection came by; None where another application attached it."""
    return Label.decode(info.identity.label).endpoint if info.identity.label else None


def connection_number(name: str) -> tuple[str, ConnectionId] | None:
    """Node and number in a connection's name, as `welcome` gives it; None where it is none."""
    node, dash, number = name.rpartition("-")
    if not dash or not node or not number.isascii() or not number.isdigit() or len(number) > 16:  # noqa: PLR2004 - as MAX_ID
        return None
    return node, ConnectionId(int(number))
