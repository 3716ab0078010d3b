from __future__ import annotations

from gateway.ingest.room_ring import RING_EVENTS, RingBudget, RoomRing
from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import ZERO, Position, position_of
from gateway.types import Room
from tests.support.memory_history import MemoryRoomHistory

ROOM = Room(7, 5)


def chain(count: int, size: int = 10) -> list[CriticalEvent]:
    history = MemoryRoomHistory()
    history.relay(ROOM, "1-0", b"before")
    return [history.relay(ROOM, f"{number}-0", b"%d" % number + b"x" * size) for number in range(2, count + 2)]


def test_it_recognises_the_last_events_and_forgets_older_ones() -> None:
    events = chain(RING_EVENTS + 2)
    ring = RoomRing(RingBudget())
    for event in events:
        ring.push(event)
    assert len(ring) == RING_EVENTS
    assert [event in ring for event in events] == [False, False] + [True] * RING_EVENTS
    assert not ring.holds(events[1].position)
    assert ring.holds(events[2].position)


def test_an_event_with_the_same_id_and_another_payload_is_another_event() -> None:
    ring = RoomRing(RingBudget())
    ring.push(CriticalEvent(position_of("1-0", b"a"), ZERO, ("session:7",), b"a"))
    assert CriticalEvent(position_of("1-0", b"b"), ZERO, ("session:7",), b"b") not in ring
    # Even where the eight digits of the hash are the same.
    assert CriticalEvent(position_of("1-0", b"a"), ZERO, ("session:7",), b"b") not in ring


def test_it_gives_what_comes_after_a_position_as_far_as_it_reaches_back() -> None:
    events = chain(5)
    ring = RoomRing(RingBudget())
    for event in events:
        ring.push(event)
    assert ring.after(events[0].prev) == events
    assert ring.after(events[2].position) == events[3:]
    assert ring.after(events[4].position) == []
    assert ring.after(Position("9-9/01234567")) is None
    assert RoomRing(RingBudget()).after(events[0].position) is None


def test_whether_a_room_never_had_an_event_is_asked_of_redis_alone() -> None:
    ring = RoomRing(RingBudget())
    ring.push(CriticalEvent(position_of("1-0", b"a"), ZERO, ("session:7",), b"a"))
    assert ring.after(ZERO) is None


def test_nothing_is_given_across_a_place_where_something_may_be_missing() -> None:
    events = chain(4)
    ring = RoomRing(RingBudget())
    ring.push(events[0])
    ring.push(events[1])
    ring.break_off()
    ring.push(events[3])
    assert ring.after(events[1].position) is None
    assert ring.after(events[3].prev) == [events[3]]
    assert events[0] in ring, "it is recognised all the same"


def test_payloads_are_given_up_within_the_node_s_budget_and_events_are_still_recognised() -> None:
    events = chain(10, size=99)
    size = len(events[0].payload)
    budget = RingBudget(size * 4)
    first, second = RoomRing(budget), RoomRing(budget)
    for event in events[:4]:
        first.push(event)
    assert budget.used == size * 4
    for event in events:
        second.push(event)
    assert budget.used <= size * 4
    assert all(event in second for event in events)
    assert second.after(events[0].position) is None
    assert first.after(events[0].position) == events[1:4], "who does not grow keeps what it has"
    first.clear()
    assert len(first) == 0
    second.push(events[9])
    assert second.after(events[8].position) == [events[9]]
    second.clear()
    assert budget.used == 0


def test_an_event_that_is_taken_back_or_comes_again_is_counted_once() -> None:
    events = chain(3)
    budget = RingBudget()
    ring = RoomRing(budget)
    for event in (*events, events[0]):
        ring.push(event)
    assert budget.used == sum(len(event.payload) for event in events)
    ring.take_back(events[0])
    ring.take_back(events[0])
    assert events[0] not in ring
    assert budget.used == sum(len(event.payload) for event in events[1:])


def test_an_event_is_found_by_its_id_and_has_a_place_in_the_order() -> None:
    events = chain(5)
    ring = RoomRing(RingBudget())
    for event in events:
        ring.push(event)
    assert ring.event("3-0") == events[1]
    assert ring.event("3") is None
    assert ring.event("30-0") is None
    assert [ring.precedes(f"{number}-0", events[2].position) for number in range(1, 8)] == [
        None,
        True,
        True,
        True,
        False,
        False,
        None,
    ]
    assert ring.precedes("3-0", Position("9-9/01234567")) is None
    assert RoomRing(RingBudget()).precedes("3-0", events[0].position) is None


def test_of_an_event_whose_payload_was_given_up_the_place_is_still_known() -> None:
    events = chain(3, size=100)
    ring = RoomRing(RingBudget(limit=150))
    for event in events:
        ring.push(event)
    assert ring.event("2-0") is None
    assert ring.precedes("2-0", events[2].position) is True
