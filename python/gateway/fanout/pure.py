"""The core in plain Python: the specification of the native one, and its stand-in where no extension is built.

The shortest code that keeps the promises of `base.py`; read it first when you want to know what a core does.
A sequence number makes promises 2 and 4 hold without copying anybody's list: every admitted event with somebody
to reach gets the next number as its ticket, every stay in an audience remembers the first ticket that it is
entitled to, and a ticket reaches the stays that are old enough and still there.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, NamedTuple

from gateway.fanout.base import (
    ConnectionIdentity,
    ConnectionInfo,
    CoreStats,
    FanoutLimits,
    Membership,
    Occupancy,
)
from gateway.fanout.checks import check_connection_id, check_identity, check_memberships, check_room
from gateway.fanout.envelope import check_position, check_splice, splice
from gateway.fanout.measures import (
    AUDIENCE_BUCKETS,
    BROADCAST_BUCKETS,
    END_TO_END_BUCKETS,
    NOBODY,
    Histogram,
    Measures,
    Reach,
    WatchedCount,
)
from gateway.fanout.permits import Permits
from gateway.types import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.fanout.base import Submission
    from gateway.types import Clock, ConnectionId, Room


_ROOM = None
"""The audience that a room's members are all in, beside those that are named."""


class ConnectionIndex:
    """Room → audience → connections, each with the first ticket that its stay is entitled to (the seed's name)."""

    def __init__(self) -> None:
        self.rooms: dict[Room, dict[str | None, dict[ConnectionId, int]]] = {}

    def add(self, room: Room, audience: str | None, connection: ConnectionId, since: int) -> bool:
        """Begin a stay; True when it is the audience's first."""
        members = self.rooms.setdefault(room, {}).setdefault(audience, {})
        members[connection] = since
        return len(members) == 1

    def remove(self, room: Room, audience: str | None, connection: ConnectionId) -> bool:
        """End a stay; True when it was the audience's last."""
        audiences = self.rooms[room]
        del audiences[audience][connection]
        if audiences[audience]:
            return False
        del audiences[audience]
        if not audiences:
            del self.rooms[room]
        return True

    def is_in(self, room: Room, audience: str | None, connection: ConnectionId) -> bool:
        """Whether the connection is in the audience."""
        return connection in self.rooms.get(room, {}).get(audience, {})

    def reached(self, ticket: _Ticket) -> set[ConnectionId]:
        """Whom a ticket reaches: a set, so that one who is in several of its audiences stands in it once."""
        audiences = self.rooms.get(ticket.room, {})
        return {
            connection
            for audience in ticket.audiences
            for connection, since in audiences.get(audience, {}).items()
            if since <= ticket.number
        }

    def reaches(self, ticket: _Ticket, connection: ConnectionId) -> bool:
        """Whether a ticket reaches this one connection."""
        audiences = self.rooms.get(ticket.room, {})
        stays = (audiences.get(audience, {}).get(connection) for audience in ticket.audiences)
        return any(since is not None and since <= ticket.number for since in stays)


class _Ticket(NamedTuple):
    number: int
    room: Room
    audiences: tuple[str | None, ...]
    size: int
    position: str | None
    accepted: float
    age: float | None
    watch: int


class _Passed(NamedTuple):
    """A room's position. `ticket` is the event's that brought it; what was admitted before does not take it back."""

    ticket: int
    position: str


class PureCore:
    """Keeps `FanoutCore`. For the event loop's thread alone, but for `stats`.

    Raises:
        ValueError: a limit is negative.
    """

    def __init__(
        self,
        limits: FanoutLimits = FanoutLimits(),  # noqa: B008 - frozen, so sharing is safe
        clock: Clock | None = None,
    ) -> None:
        """The clock is asked for what is measured alone."""
        self._clock = clock or SystemClock()
        self._passing = Histogram(BROADCAST_BUCKETS)
        self._end_to_end = Histogram(END_TO_END_BUCKETS)
        self._audience = Histogram(AUDIENCE_BUCKETS)
        self._reports: list[WatchedCount] = []
        self._permits = Permits(limits)
        self._index = ConnectionIndex()
        self._connections: dict[ConnectionId, ConnectionInfo] = {}
        self._keys: dict[tuple[int, str], set[ConnectionId]] = {}
        self._tickets: dict[int, _Ticket] = {}
        self._positions: dict[Room, _Passed] = {}
        self._last_ticket = 0
        self._submitted = 0
        self._refused = 0

    def attach(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """See `FanoutCore.attach`."""
        check_connection_id(connection)
        if connection in self._connections:
            raise ValueError(f"connection {connection} is attached already; use an id that was never used")
        check_identity(identity)
        check_memberships(memberships, identity.tenant)
        for position in (positions or {}).values():
            check_position(position)
        self._connections[connection] = ConnectionInfo(connection, identity, ())
        self._add_keys(connection, identity)
        return self._replace_memberships(connection, memberships, positions or {})

    def move(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """See `FanoutCore.move`."""
        check_memberships(memberships, self.info(connection).identity.tenant)
        for position in (positions or {}).values():
            check_position(position)
        return self._replace_memberships(connection, memberships, positions or {})

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """See `FanoutCore.set_identity`."""
        old = self.info(connection)
        check_identity(identity)
        if identity.tenant != old.identity.tenant:
            raise ValueError(
                f"connection {connection} is of tenant {old.identity.tenant} and cannot become one of tenant "
                f"{identity.tenant}; close it and attach another"
            )
        self._remove_keys(connection, old.identity)
        self._add_keys(connection, identity)
        self._connections[connection] = ConnectionInfo(connection, identity, old.memberships)

    def leave(self, connection: ConnectionId) -> Occupancy:
        """See `FanoutCore.leave`."""
        if connection not in self._connections:
            return Occupancy()
        occupancy = self._replace_memberships(connection, (), {})
        self._remove_keys(connection, self._connections.pop(connection).identity)
        return occupancy

    def submit_many(self, items: Sequence[Submission], watch: Sequence[int] = ()) -> list[int | None]:
        """See `FanoutCore.submit_many`."""
        for item in items:  # first of all, so that a malformed item leaves nothing half done
            check_room(item.room)
            if item.position is not None:
                check_splice(item.payload, item.position)
        answers: list[int | None] = []
        refused_rooms: set[Room] = set()
        wall = self._clock.time()
        for item, number in zip(items, chain(watch, repeat(0)), strict=False):
            if item.room in refused_rooms:
                answers.append(None)
                continue
            age = None if item.origin is None else max(0.0, wall - item.origin)
            answer = self._admit(
                item.room, tuple(item.audiences), len(item.payload), item.position, age=age, watch=number
            )
            if answer is None:
                refused_rooms.add(item.room)
            answers.append(answer)
        self._count(answers)
        return answers

    def announce(self, room: Room, text: str, position: str) -> int | None:
        """See `FanoutCore.announce`."""
        check_room(room)
        check_position(position)
        answer = self._admit(room, (_ROOM,), len(text.encode()), position)
        self._count([answer])
        return answer

    def recipients(self, ticket: int) -> list[ConnectionId]:
        """See `FanoutCore.recipients`."""
        return list(self._index.reached(self._ticket(ticket)))

    def still_entitled(self, ticket: int, connection: ConnectionId) -> bool:
        """See `FanoutCore.still_entitled`."""
        return self._index.reaches(self._ticket(ticket), connection)

    def finish(self, ticket: int, *, passed: bool = True, reach: Reach = NOBODY) -> None:
        """See `FanoutCore.finish`."""
        held = self._ticket(ticket)
        del self._tickets[ticket]
        self._permits.give_back(held.room, held.size)
        if passed and held.position is not None and held.room in self._index.rooms:
            known = self._positions.get(held.room)
            if known is None or known.ticket <= ticket:
                self._positions[held.room] = _Passed(ticket, held.position)
        if not passed:
            reach = NOBODY
        took = self._clock.monotonic() - held.accepted
        self._passing.record(took)
        self._audience.record(reach.matched)
        if held.age is not None:
            self._end_to_end.record(held.age + took)
        self._report(held.watch, reach, took)

    def reports(self) -> list[WatchedCount]:
        """See `FanoutCore.reports`."""
        reports, self._reports = self._reports, []
        return reports

    def measures(self) -> Measures:
        """See `FanoutCore.measures`."""
        return Measures(self._passing.counted(), self._end_to_end.counted(), self._audience.counted())

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        """See `FanoutCore.positions`."""
        if connection not in self._connections:
            return {}
        rooms = [room for room, _ in self._connections[connection].memberships]
        return {room.branch: self._positions[room].position for room in rooms if room in self._positions}

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """See `FanoutCore.info`."""
        if connection not in self._connections:
            raise KeyError(f"no such connection: {connection}")
        return self._connections[connection]

    def count(self, tenant: int, key: str) -> int:
        """See `FanoutCore.count`."""
        return len(self._keys.get((tenant, key), ()))

    def find(self, tenant: int | None, key: str) -> list[ConnectionId]:
        """See `FanoutCore.find`."""
        if tenant is not None:
            return sorted(self._keys.get((tenant, key), ()))
        return sorted(connection for (_, held), holders in self._keys.items() if held == key for connection in holders)

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """See `FanoutCore.list`."""
        if limit < 1:
            raise ValueError(f"limit is {limit}; expected 1 or more")
        found = sorted(
            connection
            for connection, info in self._connections.items()
            if connection > cursor and tenant in (None, info.identity.tenant)
        )
        page = [self._connections[connection] for connection in found[:limit]]
        return page, page[-1].connection if len(found) > limit else 0

    def splice(self, payload: bytes, position: str) -> bytes:
        """See `FanoutCore.splice`."""
        return splice(payload, position)

    def stats(self) -> CoreStats:
        """See `FanoutCore.stats`. Events for an empty room count as submitted."""
        return CoreStats(
            connections=len(self._connections),
            rooms=len(self._index.rooms),
            broadcasts_in_flight=self._permits.broadcasts,
            bytes_in_flight=self._permits.payload_bytes,
            submitted=self._submitted,
            refused=self._refused,
        )

    def _admit(
        self,
        room: Room,
        audiences: tuple[str | None, ...],
        size: int,
        position: str | None,
        *,
        age: float | None = None,
        watch: int = 0,
    ) -> int | None:
        if room not in self._index.rooms:
            self._report(watch, NOBODY, 0.0)
            return 0
        if not self._permits.take(room, size):
            return None
        self._last_ticket += 1
        self._tickets[self._last_ticket] = _Ticket(
            self._last_ticket, room, audiences, size, position, self._clock.monotonic(), age, watch
        )
        return self._last_ticket

    def _report(self, watch: int, reach: Reach, took: float) -> None:
        if watch:
            self._reports.append(WatchedCount(watch, reach, took))

    def _count(self, answers: Sequence[int | None]) -> None:
        refused = answers.count(None)
        self._refused += refused
        self._submitted += len(answers) - refused

    def _ticket(self, number: int) -> _Ticket:
        if number not in self._tickets:
            raise KeyError(f"no such ticket, or finished already: {number}")
        return self._tickets[number]

    def _replace_memberships(
        self, connection: ConnectionId, memberships: Sequence[Membership], positions: Mapping[int, str]
    ) -> Occupancy:
        """Make these the connection's memberships; what is in the old ones and the new ones is not touched."""
        info = self._connections[connection]
        kept = tuple(Membership(room, tuple(audiences)) for room, audiences in memberships)
        new = [(room, audience) for room, audiences in kept for audience in (_ROOM, *audiences)]
        old = [(room, audience) for room, audiences in info.memberships for audience in (_ROOM, *audiences)]
        stays = set(new)
        occupied = [
            (room, audience)
            for room, audience in new
            if not self._index.is_in(room, audience, connection)
            and self._index.add(room, audience, connection, self._last_ticket + 1)
        ]
        vacated = [
            (room, audience)
            for room, audience in old
            if (room, audience) not in stays and self._index.remove(room, audience, connection)
        ]
        self._connections[connection] = ConnectionInfo(connection, info.identity, kept)
        for room, audience in vacated:
            if audience is _ROOM:
                self._positions.pop(room, None)
        for room, audience in new:
            # Events under way lead up to the given position; a member that waits for them must not be told that it is
            # there. Who enters an empty room waits for none.
            is_there = (room, _ROOM) in occupied or (room not in self._positions and self._permits.is_quiet(room))
            if audience is _ROOM and (room, _ROOM) not in old and room.branch in positions and is_there:
                self._positions[room] = _Passed(self._last_ticket + 1, positions[room.branch])
        return Occupancy(
            occupied=tuple(audience for _, audience in occupied if audience is not _ROOM),
            vacated=tuple(audience for _, audience in vacated if audience is not _ROOM),
            rooms_occupied=tuple(room for room, audience in occupied if audience is _ROOM),
            rooms_vacated=tuple(room for room, audience in vacated if audience is _ROOM),
        )

    def _add_keys(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        for key in identity.keys:
            self._keys.setdefault((identity.tenant, key), set()).add(connection)

    def _remove_keys(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        for key in set(identity.keys):
            holders = self._keys[identity.tenant, key]
            holders.remove(connection)
            if not holders:
                del self._keys[identity.tenant, key]
