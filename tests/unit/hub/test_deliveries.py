"""What follows from a connection's position for one event, without anything that was recorded about it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import BroadcastReport, ConnectionIdentity, ConnectionInfo, Membership, Submission
from gateway.fanout.measures import NOBODY, Reach
from gateway.hub import deliveries as module
from gateway.hub.deliveries import Deliveries
from gateway.hub.delivery_ring import DeliveryRing
from gateway.hub.delivery_views import Receipt
from gateway.hub.label import Label
from gateway.ingest.room_ring import RingBudget, RoomRing
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import ZERO, Position, entry_id
from gateway.types import ConnectionId, Room
from tests.support.memory_history import MemoryRoomHistory

ROOM = Room(7, 5)
OTHER = Room(7, 6)
KITCHEN = "branch:5:kitchen"
ID = ConnectionId(3)
CAME = 1_000


class Fanout:
    """What the core would say."""

    def __init__(self) -> None:
        self.here = True
        self.since = CAME
        self.memberships: Sequence[Membership] = (Membership(ROOM, (KITCHEN,)),)
        self.at: dict[int, str] = {}

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        if not self.here:
            raise ConnectionGoneError("gone")
        label = Label("kitchen", sectors_from_token=True, since=self.since, issued_at=1.0, place=0)
        identity = ConnectionIdentity(ROOM.tenant, ("user:1",), label=label.encode())
        return ConnectionInfo(connection, identity, tuple(self.memberships))

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        return self.at


class History:
    """Redis: only what it keeps."""

    def __init__(self) -> None:
        self.kept: list[CriticalEvent] = []
        self.known = True

    async def entry(self, room: Room, event_id: str) -> CriticalEvent | None:
        return next((event for event in self.kept if room == ROOM and entry_id(event.position) == event_id), None)

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        places = [event.position for event in self.kept]
        if not self.known or position not in places:
            return HistoryPage(known=False, entries=(), more=False, head=ZERO)
        later = tuple(self.kept[places.index(position) + 1 :])
        return HistoryPage(known=True, entries=later, more=False, head=places[-1])


class Case:
    """A node that has passed some events on, at the seconds of their ids."""

    def __init__(self) -> None:
        self.fanout = Fanout()
        self.history = History()
        self.passed = DeliveryRing()
        self.ring = RoomRing(RingBudget())
        self.followed = True
        self.deliveries = Deliveries(
            self.fanout,  # type: ignore[arg-type]
            "node",
            self.passed,
            self.history,
            room_ring=lambda room: self.ring if self.followed and room == ROOM else None,
        )
        relayed = MemoryRoomHistory()
        self.events = [
            relayed.relay(ROOM, f"{(CAME + seconds) * 1000}-0", b'{"type":"X"}', KITCHEN)
            for seconds in (-100, 10, 20, 30)
        ]

    def pass_on(self, *numbers: int) -> None:
        for number in numbers:
            event = self.events[number]
            self.ring.push(event)
            seconds = int(event.position.partition("-")[0]) / 1000
            self.report(event, seconds)
            self.fanout.at = {5: event.position}

    def report(self, event: CriticalEvent, at: float, reach: Reach = NOBODY) -> None:
        """The core has accepted it half a second before this time, and passed it now."""
        submitted = Submission(ROOM, event.audiences, event.payload, event.position)
        self.passed.on_passed(BroadcastReport(submitted, reach, 0.5, at - 0.5))

    async def ask(self, number: int, room: Room | None = None) -> Receipt:
        return await self.deliveries.receipt(entry_id(self.events[number].position), ID, room)


@pytest.fixture
def case() -> Case:
    return Case()


async def test_what_is_not_behind_its_position_was_passed(case: Case) -> None:
    case.pass_on(0, 1, 2)
    for number in (1, 2):
        found = await case.ask(number)
        assert (found.got_it, found.position) == (True, case.events[2].position)


async def test_what_is_behind_its_position_was_not_yet(case: Case) -> None:
    case.pass_on(0, 1, 2)
    case.fanout.at = {5: case.events[1].position}  # its reactor has not come so far
    assert await case.ask(2) == Receipt(False, module.BEHIND, case.events[1].position)


async def test_what_was_passed_before_it_came_cannot_be_told(case: Case) -> None:
    case.pass_on(0, 1)
    assert await case.ask(0) == Receipt(None, module.CAME_LATER, case.events[1].position)


async def test_an_old_event_that_was_passed_late_reached_it(case: Case) -> None:
    case.pass_on(0)
    case.report(case.events[0], CAME + 50.0)
    assert (await case.ask(0)).got_it is True


async def test_who_is_not_in_the_audience_did_not_get_it(case: Case) -> None:
    case.pass_on(0, 1)
    case.fanout.memberships = (Membership(ROOM, tuple(f"sector:{n}:waiters" for n in range(1, 12))),)
    found = await case.ask(1)
    assert found.got_it is False
    assert "sector:8:waiters and 3 more" in found.why


async def test_who_is_not_in_the_branch_did_not_get_it(case: Case) -> None:
    case.pass_on(0, 1)
    case.fanout.memberships = (Membership(OTHER, ("branch:6:kitchen",)),)
    found = await case.ask(1, ROOM)
    assert found.got_it is False
    assert "branch 5" in found.why


async def test_without_knowing_the_branch_those_that_it_hears_are_looked_at(case: Case) -> None:
    case.fanout.memberships = (Membership(OTHER, ("branch:6:kitchen",)), Membership(ROOM, (KITCHEN,)))
    case.fanout.at = {5: case.events[3].position, 6: "0-0"}
    case.history.kept = case.events
    assert (await case.ask(1)).got_it is True
    case.history.kept = []
    found = await case.ask(1)
    assert found.got_it is None
    assert "no branch" in found.why


async def test_who_is_being_given_history_cannot_be_told(case: Case) -> None:
    case.pass_on(0, 1)
    case.fanout.at = {}
    assert (await case.ask(1)).got_it is None


async def test_who_has_left_cannot_be_told(case: Case) -> None:
    case.pass_on(0, 1)
    case.fanout.here = False
    assert "left" in (await case.ask(1)).why


async def test_what_the_node_has_forgotten_is_read_from_history(case: Case) -> None:
    case.followed = False
    case.history.kept = case.events
    case.fanout.at = {5: case.events[2].position}
    assert (await case.ask(1)).got_it is True
    assert (await case.ask(3)).got_it is False
    case.history.known = False
    assert await case.ask(1) == Receipt(None, module.TOO_OLD, case.events[2].position)


async def test_without_the_event_itself_nobody_knows_whom_it_was_for(case: Case) -> None:
    case.pass_on(0, 1, 2)
    case.ring.break_off()
    assert await case.ask(1, ROOM) == Receipt(None, module.NOBODY_KNOWS, case.events[2].position)


def test_a_report_counts_everybody_once(case: Case) -> None:
    case.pass_on(1)
    event_id = entry_id(case.events[1].position)
    case.report(case.events[1], 17.0, Reach(matched=10, queued=2, lost=7))
    found = case.deliveries.report(event_id)
    assert found is not None
    assert (found.matched, found.sent, found.queued, found.type) == (10, 1, 2, "X")
    assert found.dropped == {"connection_ended": 7}
    assert (found.at, found.seconds) == (17.0, 0.5)
    assert case.deliveries.report("1-1") is None
