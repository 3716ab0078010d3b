"""The one rule, case by case. Whether it is enough is asked in `tests/property/test_relay_machine.py`."""

from __future__ import annotations

from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage, HistoryView, after
from gateway.protocol.positions import BEGUN_AGAIN, ZERO, Position, position_of

PAYLOADS = [b'{"n":%d}' % number for number in range(6)]
AT = [position_of(f"{number}-0", payload) for number, payload in enumerate(PAYLOADS)]
EVENTS = [
    CriticalEvent(AT[number], AT[number - 1] if number > 1 else ZERO, ("session:7",), PAYLOADS[number])
    for number in range(1, 6)
]
UNKNOWN = HistoryPage(known=False, entries=(), more=False, head=AT[5])


def view(position: Position, kept: list[CriticalEvent], head: Position | None = AT[5]) -> HistoryView:
    """What Redis would show of a history that keeps these events."""
    begin = int(position.partition("-")[0])
    tail = [event for event in kept if int(event.position.partition("-")[0]) >= begin]
    return HistoryView(head, kept[0] if kept else None, tail)


def test_a_position_that_history_holds() -> None:
    page = after(AT[3], view(AT[3], EVENTS), 10)
    assert page == HistoryPage(known=True, entries=tuple(EVENTS[3:]), more=False, head=AT[5])


def test_the_head_itself_has_nothing_after_it() -> None:
    assert after(AT[5], view(AT[5], EVENTS), 10) == HistoryPage(known=True, entries=(), more=False, head=AT[5])


def test_the_head_is_known_when_history_has_expired() -> None:
    assert after(AT[5], view(AT[5], []), 10).known


def test_the_position_before_the_oldest_event_is_known() -> None:
    page = after(AT[2], view(AT[2], EVENTS[2:]), 10)
    assert page == HistoryPage(known=True, entries=tuple(EVENTS[2:]), more=False, head=AT[5])


def test_an_older_position_is_unknown() -> None:
    assert after(AT[1], view(AT[1], EVENTS[2:]), 10) == UNKNOWN


def test_the_same_id_with_another_payload_is_unknown() -> None:
    other = position_of("3-0", b"from before a failover")
    assert after(other, view(other, EVENTS), 10) == UNKNOWN


def test_a_newer_position_is_unknown_too() -> None:
    future = position_of("9-0", b"from before a failover")
    assert after(future, view(future, EVENTS), 10) == UNKNOWN


def test_an_id_between_two_events_is_unknown() -> None:
    between = position_of("3-7", b"from before a failover")
    assert after(between, view(between, EVENTS), 10) == UNKNOWN


def test_zero_is_known_only_while_the_room_has_nothing() -> None:
    assert after(ZERO, view(ZERO, [], None), 10) == HistoryPage(known=True, entries=(), more=False, head=ZERO)
    assert after(ZERO, view(ZERO, EVENTS), 10) == UNKNOWN, "the oldest event's `prev` is no promise"
    assert after(ZERO, view(ZERO, []), 10) == UNKNOWN
    assert not after(ZERO, view(ZERO, EVENTS, None), 10).known


def test_where_history_was_begun_again_nobody_stands() -> None:
    begun = [EVENTS[0]._replace(prev=BEGUN_AGAIN), *EVENTS[1:]]
    assert after(BEGUN_AGAIN, view(BEGUN_AGAIN, begun), 10) == UNKNOWN
    assert after(ZERO, view(ZERO, begun), 10) == UNKNOWN


def test_nothing_is_known_without_a_head() -> None:
    page = after(AT[3], view(AT[3], EVENTS, None), 10)
    assert page == HistoryPage(known=False, entries=(), more=False, head=ZERO)
    assert not after(AT[3], view(AT[3], [], None), 10).known


def test_a_head_with_events_behind_it_is_a_contradiction() -> None:
    gone_back = position_of("2-5", b"restored alone")
    assert not after(gone_back, view(gone_back, EVENTS, gone_back), 10).known


def test_a_page_says_whether_there_is_more() -> None:
    assert after(AT[1], view(AT[1], EVENTS), 4)[1:3] == (tuple(EVENTS[1:]), False)
    assert after(AT[1], view(AT[1], EVENTS), 3)[1:3] == (tuple(EVENTS[1:4]), True)
