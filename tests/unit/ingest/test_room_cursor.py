from __future__ import annotations

import pytest

from gateway.ingest.room_cursor import PENDING_EVENTS, RoomCursor, RoomState, Verdict
from gateway.ingest.room_ring import RingBudget
from gateway.protocol.positions import ZERO, Position
from gateway.types import Room
from tests.support.memory_history import MemoryRoomHistory

ROOM = Room(7, 5)


@pytest.fixture
def history() -> MemoryRoomHistory:
    return MemoryRoomHistory()


def following(head: Position = ZERO) -> RoomCursor:
    cursor = RoomCursor(ROOM, RingBudget())
    cursor.adopt(head)
    assert cursor.follow() == []
    return cursor


def test_what_follows_the_cursor_is_next_and_what_has_passed_is_seen(history: MemoryRoomHistory) -> None:
    cursor = following()
    first, second = history.relay(ROOM, "1-0", b"a"), history.relay(ROOM, "2-0", b"b")
    assert cursor.offer(first) is Verdict.NEXT
    cursor.advance(first)
    assert cursor.offer(second) is Verdict.NEXT
    cursor.advance(second)
    assert cursor.position == second.position
    assert cursor.offer(first) is Verdict.SEEN
    assert cursor.offer(second) is Verdict.SEEN


def test_a_hole_is_noticed_whatever_the_ids_say(history: MemoryRoomHistory) -> None:
    cursor = following()
    first = history.relay(ROOM, "5-0", b"a")
    cursor.advance(first)
    history.relay(ROOM, "6-0", b"lost")
    assert cursor.offer(history.relay(ROOM, "7-0", b"b")) is Verdict.BROKEN
    history.begin_again(ROOM)
    # After a failover ids may be smaller; that does not make an event one that has been seen.
    assert cursor.offer(history.relay(ROOM, "4-0", b"c")) is Verdict.BROKEN


def test_a_first_event_follows_a_room_that_never_had_one(history: MemoryRoomHistory) -> None:
    assert following(ZERO).offer(history.relay(ROOM, "1-0", b"a")) is Verdict.NEXT


def test_until_the_head_is_known_messages_are_kept_and_those_up_to_it_fall_away(history: MemoryRoomHistory) -> None:
    cursor = RoomCursor(ROOM, RingBudget())
    events = [history.relay(ROOM, f"{number}-0", b"%d" % number) for number in range(1, 5)]
    for event in events:
        assert cursor.offer(event) is Verdict.KEPT
    assert cursor.position is None
    cursor.adopt(events[1].position)
    assert cursor.follow() == events[2:]
    assert cursor.state is RoomState.FOLLOWING


def test_a_head_that_is_none_of_the_kept_messages_leaves_all_to_be_judged(history: MemoryRoomHistory) -> None:
    cursor = RoomCursor(ROOM, RingBudget())
    head = history.relay(ROOM, "1-0", b"a")
    event = history.relay(ROOM, "2-0", b"b")
    cursor.offer(event)
    cursor.adopt(head.position)
    [kept] = cursor.follow()
    assert cursor.offer(kept) is Verdict.NEXT


def test_reading_clears_what_was_kept_and_keeps_what_comes_after(history: MemoryRoomHistory) -> None:
    cursor = following()
    first, second = history.relay(ROOM, "1-0", b"a"), history.relay(ROOM, "2-0", b"b")
    cursor.read()
    cursor.offer(first)
    cursor.read()
    cursor.offer(second)
    assert cursor.follow() == [second]


def test_more_messages_than_are_kept_are_noticed(history: MemoryRoomHistory) -> None:
    cursor = following()
    cursor.read()
    for number in range(PENDING_EVENTS):
        cursor.offer(history.relay(ROOM, f"{number + 1}-0", b"x"))
    assert not cursor.overflowed
    cursor.offer(history.relay(ROOM, f"{PENDING_EVENTS + 1}-0", b"x"))
    assert cursor.overflowed
    cursor.read()
    assert not cursor.overflowed


def test_going_back_undoes_going_forward(history: MemoryRoomHistory) -> None:
    cursor = following()
    events = [history.relay(ROOM, f"{number}-0", b"%d" % number) for number in range(1, 4)]
    for event in events:
        cursor.advance(event)
    for event in reversed(events[1:]):
        cursor.retreat(event)
    assert cursor.position == events[0].position
    assert cursor.offer(events[1]) is Verdict.NEXT


def test_after_a_step_back_to_an_older_head_an_event_is_not_passed_on_a_second_time(history: MemoryRoomHistory) -> None:
    cursor = following()
    first, second = history.relay(ROOM, "1-0", b"a"), history.relay(ROOM, "2-0", b"b")
    cursor.advance(first)
    cursor.advance(second)
    cursor.adopt(first.position)
    assert cursor.offer(second) is Verdict.REPEAT
    assert not cursor.is_new(second)


def test_a_head_has_passed_when_it_is_the_cursor_or_one_of_the_last_events(history: MemoryRoomHistory) -> None:
    cursor = following()
    assert cursor.has_passed(ZERO)
    first, second = history.relay(ROOM, "1-0", b"a"), history.relay(ROOM, "2-0", b"b")
    cursor.advance(first)
    cursor.advance(second)
    assert cursor.has_passed(first.position)
    assert not cursor.has_passed(history.relay(ROOM, "3-0", b"c").position)
    assert not cursor.has_passed(ZERO), "the head was lost"


def test_a_forgotten_cursor_holds_nothing(history: MemoryRoomHistory) -> None:
    budget = RingBudget()
    cursor = RoomCursor(ROOM, budget)
    cursor.adopt(ZERO)
    cursor.follow()
    cursor.advance(history.relay(ROOM, "1-0", b"a"))
    assert budget.used == 1
    cursor.forget()
    assert budget.used == 0
    assert cursor.state is RoomState.FORGOTTEN
    assert not cursor.is_reading()


def test_across_an_adopted_head_nothing_is_given_to_a_client_that_resumes(history: MemoryRoomHistory) -> None:
    cursor = following()
    first, missed = history.relay(ROOM, "1-0", b"a"), history.relay(ROOM, "2-0", b"b")
    cursor.advance(first)
    cursor.adopt(missed.position)
    third = history.relay(ROOM, "3-0", b"c")
    cursor.advance(third)
    assert cursor.ring.after(first.position) is None
    assert cursor.ring.after(missed.position) == [third]
