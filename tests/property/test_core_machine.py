"""Random histories of joins, leaves and broadcasts: both cores answer what a model answers.

The model says the promises literally and knows neither an index nor sequence numbers: every stay in an audience is an
object, a ticket remembers the very objects that were there when it was submitted, and it reaches those that still are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, FanoutLimits, Membership, Occupancy
from gateway.types import Room
from tests.support.cores import CORES, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.fanout.base import FanoutCore

TENANTS = (1, 2, 3)
BRANCHES = (5, 6)
AUDIENCES = ("branch:5:waiters", "branch:5:kitchen", "sector:9:waiters", "session:77")
LIMITS = FanoutLimits(max_broadcasts=6, max_broadcast_bytes=40, max_room_broadcasts=3)

tenants = st.sampled_from(TENANTS)
connection_ids = st.integers(1, 9)
audience_lists = st.lists(st.sampled_from(AUDIENCES), min_size=1, unique=True)
branches_and_audiences = st.dictionaries(st.sampled_from(BRANCHES), audience_lists, min_size=1)
keys = st.lists(st.sampled_from(("user:1", "user:2", "session:77")), max_size=3).map(tuple)
positions = st.dictionaries(st.sampled_from(BRANCHES), st.sampled_from(("0-0", "1-0/given")))
events = st.tuples(
    st.builds(Room, tenants, st.sampled_from(BRANCHES)),
    st.lists(st.sampled_from((*AUDIENCES, "nobody")), max_size=4).map(tuple),
    st.integers(0, 45),
)


class Stay(NamedTuple):
    connection: int
    room: Room
    audience: str | None  # None for the stay in the room itself


class Ticket(NamedTuple):
    stays: dict[Stay, object]
    room: Room
    size: int


class CoreMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.cores: list[FanoutCore] = [make(LIMITS) for _, make in CORES]
        self.infos: dict[int, ConnectionInfo] = {}
        self.stays: dict[Stay, object] = {}
        self.open: dict[int, Ticket] = {}
        self.last_ticket = self.submitted = self.refused = 0

    def same(self, ask: Callable[[FanoutCore], Any]) -> Any:
        """Ask every core; one answer, if they agree."""
        first, *others = [ask(core) for core in self.cores]
        assert all(other == first for other in others), (first, others)
        return first

    def every_core_raises(self, error: type[Exception], ask: Callable[[FanoutCore], object]) -> None:
        """Ask every core, and see the documented error, with the same text."""
        texts = []
        for core in self.cores:
            with pytest.raises(error) as caught:
                ask(core)
            texts.append(str(caught.value))
        assert len(set(texts)) == 1, texts

    # --- connections ---

    @rule(connection=connection_ids, tenant=tenants, rooms=branches_and_audiences, keys=keys, positions=positions)
    def attach(
        self,
        connection: int,
        tenant: int,
        rooms: dict[int, list[str]],
        keys: tuple[str, ...],
        positions: dict[int, str],
    ) -> None:
        identity = ConnectionIdentity(tenant, keys, label=f"{tenant}/{connection}".encode())
        memberships = in_tenant(tenant, rooms)
        if connection in self.infos:
            self.every_core_raises(ValueError, lambda core: core.attach(connection, memberships, identity))
            return
        occupancy = self.same(lambda core: core.attach(connection, memberships, identity, positions))
        self.infos[connection] = ConnectionInfo(connection, identity, ())
        assert occupancy == self.replace(connection, memberships)

    @rule(connection=connection_ids, rooms=branches_and_audiences, positions=positions)
    def move(self, connection: int, rooms: dict[int, list[str]], positions: dict[int, str]) -> None:
        if connection not in self.infos:
            self.every_core_raises(KeyError, lambda core: core.move(connection, in_tenant(1, rooms)))
            return
        memberships = in_tenant(self.infos[connection].identity.tenant, rooms)
        occupancy = self.same(lambda core: core.move(connection, memberships, positions))
        assert occupancy == self.replace(connection, memberships)

    @rule(connection=connection_ids, rooms=branches_and_audiences)
    def move_to_another_tenant(self, connection: int, rooms: dict[int, list[str]]) -> None:
        if connection in self.infos:
            foreign = in_tenant(self.infos[connection].identity.tenant % len(TENANTS) + 1, rooms)
            self.every_core_raises(ValueError, lambda core: core.move(connection, foreign))

    @rule(connection=connection_ids)
    def leave(self, connection: int) -> None:
        occupancy = self.same(lambda core: core.leave(connection))
        assert occupancy == self.replace(connection, ())
        self.infos.pop(connection, None)

    @rule(connection=connection_ids, keys=keys)
    def set_identity(self, connection: int, keys: tuple[str, ...]) -> None:
        if connection not in self.infos:
            self.every_core_raises(KeyError, lambda core: core.set_identity(connection, ConnectionIdentity(1)))
            return
        info = self.infos[connection]
        identity = ConnectionIdentity(info.identity.tenant, keys, expires_at=1.5)
        self.same(lambda core: core.set_identity(connection, identity))
        self.infos[connection] = ConnectionInfo(connection, identity, info.memberships)

    def replace(self, connection: int, memberships: tuple[Membership, ...]) -> Occupancy:
        """Change the model's stays; what the cores must say of it."""
        before = {(stay.room, stay.audience) for stay in self.stays}
        rooms_before = {stay.room for stay in self.stays}
        wanted = [Stay(connection, room, name) for room, names in memberships for name in (None, *names)]
        old = self.infos[connection].memberships if connection in self.infos else ()
        self.stays = {
            stay: token for stay, token in self.stays.items() if stay.connection != connection or stay in wanted
        }
        for stay in wanted:
            self.stays.setdefault(stay, object())
        after = {(stay.room, stay.audience) for stay in self.stays}
        rooms_after = {stay.room for stay in self.stays}
        if connection in self.infos:
            self.infos[connection] = ConnectionInfo(connection, self.infos[connection].identity, memberships)
        return Occupancy(
            tuple(
                stay.audience
                for stay in wanted
                if stay.audience is not None and (stay.room, stay.audience) in after - before
            ),
            tuple(name for room, names in old for name in names if (room, name) in before - after),
            tuple(room for room, _ in memberships if room in rooms_after - rooms_before),
            tuple(room for room, _ in old if room in rooms_before - rooms_after),
        )

    # --- events ---

    @rule(target=tickets, batch=st.lists(events, max_size=6))
    def submit(self, batch: list[tuple[Room, tuple[str, ...], int]]) -> object:
        answers = self.same(lambda core: submit(core, batch))
        assert len(answers) == len(batch)
        refused: set[Room] = set()
        given: list[int] = []
        for (room, audiences, size), answer in zip(batch, answers, strict=True):
            if not any(stay.room == room for stay in self.stays):
                assert answer == 0
            elif room in refused or self.is_full(room, size):
                assert answer is None
                refused.add(room)
            else:
                self.last_ticket += 1
                assert answer == self.last_ticket
                entitled = {
                    stay: token
                    for stay, token in self.stays.items()
                    if stay.room == room and stay.audience in audiences
                }
                self.open[self.last_ticket] = Ticket(entitled, room, size)
                given.append(self.last_ticket)
            self.refused += answer is None
            self.submitted += answer is not None
        return tuple(given)

    @rule(target=tickets, tenant=tenants, branch=st.sampled_from(BRANCHES), text=st.text(max_size=20))
    def announce(self, tenant: int, branch: int, text: str) -> object:
        room = Room(tenant, branch)
        members = {stay: token for stay, token in self.stays.items() if stay.room == room and stay.audience is None}
        answer = self.same(lambda core: core.announce(room, text, f"{self.last_ticket + 1}-0/announced"))
        size = len(text.encode())
        self.refused += answer is None
        self.submitted += answer is not None
        if not members:
            assert answer == 0
        elif self.is_full(room, size):
            assert answer is None
        else:
            self.last_ticket += 1
            assert answer == self.last_ticket
            self.open[self.last_ticket] = Ticket(members, room, size)
            return (self.last_ticket,)
        return ()

    def is_full(self, room: Room, size: int) -> bool:
        in_flight = self.open.values()
        payload_bytes = sum(ticket.size for ticket in in_flight)
        own = [ticket.size for ticket in in_flight if ticket.room.tenant == room.tenant]
        return (
            len(in_flight) >= LIMITS.max_broadcasts
            or payload_bytes + size > LIMITS.max_broadcast_bytes
            or len(own) > 9 * (LIMITS.max_broadcasts - len(in_flight))
            or sum(own) > 9 * (LIMITS.max_broadcast_bytes - payload_bytes)
            or sum(ticket.room == room for ticket in in_flight) >= LIMITS.max_room_broadcasts
        )

    @rule(given=consumes(tickets), passed=st.booleans())
    def finish(self, given: tuple[int, ...], passed: bool) -> None:
        for number in given:
            self.same(lambda core, number=number: core.finish(number, passed=passed))
            del self.open[number]
            self.every_core_raises(KeyError, lambda core, number=number: core.finish(number))
            self.every_core_raises(KeyError, lambda core, number=number: core.recipients(number))

    # --- what always holds ---

    @invariant()
    def every_ticket_reaches_exactly_its_audience(self) -> None:
        for number, ticket in self.open.items():
            expected = {stay.connection for stay, token in ticket.stays.items() if self.stays.get(stay) is token}
            for core in self.cores:
                found = core.recipients(number)
                assert len(found) == len(set(found)), "somebody was named twice"
                assert set(found) == expected
            for connection in range(1, 10):
                entitled = self.same(lambda core, one=connection, number=number: core.still_entitled(number, one))
                assert entitled == (connection in expected)
            # What the model cannot get wrong together with the cores: nobody of another tenant.
            assert all(self.infos[one].identity.tenant == ticket.room.tenant for one in expected)

    @invariant()
    def positions_are_of_rooms_that_one_is_in(self) -> None:
        for connection in range(1, 10):
            found = self.same(lambda core, one=connection: core.positions(one))
            there = {stay.room.branch for stay in self.stays if stay.connection == connection}
            assert set(found) <= there
            for position in found.values():
                assert position in {"0-0", "1-0/given"} or int(position.split("-")[0]) not in self.open

    @invariant()
    def everybody_is_listed_as_given(self) -> None:
        expected = [self.infos[connection] for connection in sorted(self.infos)]
        assert self.same(lambda core: core.list()) == (expected, 0)
        for info in expected:
            assert self.same(lambda core, info=info: core.info(info.connection)) == info
        for tenant in TENANTS:
            of_tenant = [info for info in expected if info.identity.tenant == tenant]
            page, following = self.same(lambda core, tenant=tenant: core.list(tenant, 0, 2))
            assert page == of_tenant[:2]
            assert following == (of_tenant[1].connection if len(of_tenant) > 2 else 0)
            for key in ("user:1", "user:2", "session:77"):
                holders = [info.connection for info in of_tenant if key in info.identity.keys]
                assert self.same(lambda core, tenant=tenant, key=key: core.find(tenant, key)) == holders
                assert self.same(lambda core, tenant=tenant, key=key: core.count(tenant, key)) == len(holders)

    @invariant()
    def the_counters_are_right(self) -> None:
        stats = self.same(lambda core: core.stats())
        assert stats.connections == len(self.infos)
        assert stats.rooms == len({stay.room for stay in self.stays})
        assert stats.broadcasts_in_flight == len(self.open)
        assert stats.bytes_in_flight == sum(ticket.size for ticket in self.open.values())
        assert (stats.submitted, stats.refused) == (self.submitted, self.refused)


def in_tenant(tenant: int, rooms: dict[int, list[str]]) -> tuple[Membership, ...]:
    """Memberships of one tenant's branches."""
    return tuple(Membership(Room(tenant, branch), tuple(names)) for branch, names in rooms.items())


TestCoreMachine = CoreMachine.TestCase
