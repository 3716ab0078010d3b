from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fanout.budget import OutboxBudget
from gateway.fanout.message import (
    ENTRY_OVERHEAD,
    GAP_COST,
    Close,
    Entry,
    Gap,
    Message,
    Sort,
    control_message,
    event_message,
)
from gateway.fanout.outbox import Outbox

SIZE = 1_000


def best_effort(n: int, cost: int = SIZE) -> Message:
    return Message(f"e{n}", cost, Sort.BEST_EFFORT)


def critical(n: int, cost: int = SIZE) -> Message:
    return Message(f"c{n}", cost, Sort.CRITICAL)


def control(n: int, cost: int = SIZE) -> Message:
    return Message(f"k{n}", cost, Sort.CONTROL)


def outbox(entries: int, budget: OutboxBudget | None = None) -> Outbox:
    """One that holds so many entries of `SIZE`."""
    return Outbox(entries * SIZE, budget or OutboxBudget(0))


def drain(box: Outbox) -> list[str]:
    taken = []
    while (entry := box.take()) is not None:
        taken.append(f"close {entry.code}" if isinstance(entry, Close) else entry.text)
    return taken


def gap(dropped: int) -> str:
    return f'{{"type":"gap","dropped":{dropped}}}'


def test_gives_entries_in_the_order_in_which_they_came() -> None:
    box = outbox(10)
    for message in (control(1), best_effort(2), critical(3), best_effort(4)):
        assert box.push(message) == 0
    assert drain(box) == ["k1", "e2", "c3", "e4"]


def test_overflow_drops_the_oldest_best_effort_event_and_a_gap_stands_in_its_place() -> None:
    box = outbox(3)
    box.push(control(1))
    box.push(best_effort(2))
    box.push(best_effort(3))
    # One more needs room for itself, and the gap needs its own: two go.
    assert box.push(critical(4)) == 2
    assert drain(box) == ["k1", gap(2), "c4"]


def test_drops_just_enough() -> None:
    box = outbox(10)
    for n in range(10):
        box.push(best_effort(n))
    assert box.push(critical(99, cost=SIZE - GAP_COST)) == 1
    assert drain(box) == [gap(1), *(f"e{n}" for n in range(1, 10)), "c99"]


def test_gaps_that_are_not_neighbours_do_not_merge() -> None:
    box = outbox(4)
    for message in (best_effort(1), critical(2), best_effort(3), best_effort(4)):
        box.push(message)
    assert box.push(best_effort(5)) == 2
    assert drain(box) == [gap(1), "c2", gap(1), "e4", "e5"]


def test_a_gap_grows_while_it_waits_and_a_new_one_begins_once_it_was_taken() -> None:
    box = outbox(4)
    for n in range(4):
        box.push(best_effort(n))
    assert box.push(best_effort(4)) == 2
    assert box.push(best_effort(5)) == 1
    taken = box.take()
    assert isinstance(taken, Gap)
    assert taken.dropped == 3
    # The gap is still charged while it is written, so one more event needs the room of one.
    assert box.push(best_effort(6)) == 1
    assert drain(box) == [gap(1), "e4", "e5", "e6"]


def test_what_is_being_written_is_never_dropped_and_stays_charged() -> None:
    box = outbox(2)
    box.push(best_effort(1))
    box.push(best_effort(2))
    first = box.take()
    assert isinstance(first, Message)
    assert first.text == "e1"
    assert box.used == 2 * SIZE
    assert box.push(best_effort(3)) == 2  # e2, and e3 itself since e1 and a gap leave no room for it
    assert box.used == SIZE + GAP_COST
    assert drain(box) == [gap(2)]
    assert box.used == 0


def test_critical_and_control_messages_are_never_dropped() -> None:
    box = outbox(2)
    assert box.push(critical(1)) == 0
    assert box.push(control(2)) == 0
    assert box.push(critical(3)) is None


def test_a_best_effort_event_that_finds_no_room_is_itself_dropped() -> None:
    box = Outbox(2 * SIZE + GAP_COST, OutboxBudget(0))
    box.push(critical(1))
    box.push(critical(2))
    assert box.push(best_effort(3)) == 1
    assert box.push(best_effort(4)) == 1
    assert drain(box) == ["c1", "c2", gap(2)]


def test_says_when_not_even_a_gap_has_room() -> None:
    box = outbox(2)
    box.push(critical(1))
    box.push(critical(2))
    assert box.push(best_effort(3)) is None


def test_discard_says_how_many_events_nobody_was_told_of() -> None:
    box = outbox(4)
    for n in range(4):
        box.push(best_effort(n))
    box.push(critical(4))
    told = box.push(critical(5))
    assert told == 1
    assert box.push(critical(6, cost=3 * SIZE)) is None
    assert box.discard() == 5 - 2 - told - 1
    assert box.discard() == 0


def test_the_close_always_has_room_and_stands_behind_everything() -> None:
    box = outbox(2)
    box.push(critical(1))
    box.push(critical(2))
    box.push_close(4001)
    assert drain(box) == ["c1", "c2", "close 4001"]


def test_discard_leaves_only_what_is_being_written() -> None:
    budget = OutboxBudget(0)
    box = outbox(5, budget)
    for n in range(5):
        box.push(best_effort(n))
    box.take()
    assert box.discard() == 4
    assert box.discard() == 0
    assert box.used == budget.used == SIZE
    box.push_close(1013)
    assert drain(box) == ["close 1013"]
    assert box.used == budget.used == 0


def test_clear_charges_nothing_any_more() -> None:
    budget = OutboxBudget(0)
    box = outbox(5, budget)
    box.push(best_effort(1))
    box.push(best_effort(2))
    box.take()
    box.clear()
    assert box.used == budget.used == 0
    assert box.take() is None


def test_the_budget_is_the_sum_of_all_outboxes() -> None:
    budget = OutboxBudget(3 * SIZE)
    one, other = outbox(9, budget), outbox(9, budget)
    one.push(best_effort(1))
    other.push(best_effort(2))
    other.push(best_effort(3))
    assert budget.used == 3 * SIZE
    assert not budget.exceeded
    one.push(control(4, cost=1))
    assert budget.exceeded
    drain(one)
    drain(other)
    assert budget.used == 0


def test_what_waits_elsewhere_counts_against_the_same_limit() -> None:
    box = outbox(4)
    for n in range(3):
        assert box.push(best_effort(n), beside=SIZE) == 0
    assert box.push(best_effort(3), beside=SIZE) == 2
    assert box.make_room(beside=SIZE) == 0
    assert box.make_room(beside=4 * SIZE) is None
    assert outbox(1).make_room(beside=SIZE) == 0
    assert outbox(1).make_room(beside=SIZE + 1) is None


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_what_another_outbox_holds_follows_with_its_gaps_and_charges(waiting: int) -> None:
    budget = OutboxBudget(0)
    box, held = outbox(8, budget), outbox(4, budget)
    for n in range(waiting):
        box.push(control(n))
    for n in range(6):
        held.push(best_effort(n))
    used = box.used + held.used
    box.take_over(held)
    assert held.used == 0
    assert held.take() is None
    assert box.used == budget.used == used
    # What was held may still be dropped: the gap that came with it grows.
    dropped = box.push(critical(7, cost=9 * SIZE - used))
    assert dropped
    assert drain(box) == [
        *(f"k{n}" for n in range(waiting)),
        gap(3 + dropped),
        *(f"e{n}" for n in range(3 + dropped, 6)),
        "c7",
    ]
    assert box.used == budget.used == 0


def test_taking_over_nothing_changes_nothing() -> None:
    box = outbox(2)
    box.push(control(1))
    box.take_over(outbox(2))
    assert drain(box) == ["k1"]


def test_an_unlimited_budget_is_never_exceeded() -> None:
    budget = OutboxBudget(0)
    outbox(9, budget).push(best_effort(1))
    assert not budget.exceeded


def test_an_empty_outbox_holds_no_table() -> None:
    box = outbox(9)
    assert box._entries is None
    box.push(best_effort(1))
    drain(box)
    assert box._entries is None


def test_costs_count_bytes_and_not_characters() -> None:
    assert event_message('{"a":"ñ"}'.encode(), critical=False).cost == 10 + ENTRY_OVERHEAD
    assert control_message('"ñ"').cost == 4 + ENTRY_OVERHEAD
    assert control_message('"n"').cost == 3 + ENTRY_OVERHEAD


def test_an_event_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        event_message(b'{"a":"\xff"}', critical=False)


def test_finding_the_oldest_droppable_event_does_not_look_twice_at_what_stands_before_it() -> None:
    box = Outbox(10_000 * SIZE + 100 * SIZE, OutboxBudget(0))
    for n in range(10_000):
        box.push(critical(n))
    for n in range(100):
        box.push(best_effort(n))
    box.push(best_effort(100))
    hand = box._hand
    assert hand >= 10_000
    box.push(best_effort(101))
    assert hand < box._hand <= hand + 2


# --- against a model: a plain list -----------------------------------------------------------------------------

SORTS = st.sampled_from([Sort.BEST_EFFORT, Sort.BEST_EFFORT, Sort.CRITICAL, Sort.CONTROL])
STEPS = st.lists(st.one_of(st.tuples(SORTS, st.integers(GAP_COST, 4 * GAP_COST)), st.just("take")), max_size=80)


class ListOutbox:
    """The same in the plainest way: `[kind, name or count, cost]`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: list[tuple[str, object, int]] = []
        self.writing = 0

    @property
    def used(self) -> int:
        return self.writing + sum(cost for _, _, cost in self.items)

    def push(self, name: str, sort: Sort, cost: int) -> int | None:
        self.items.append(("droppable" if sort is Sort.BEST_EFFORT else "kept", name, cost))
        dropped = 0
        while self.used > self.limit:
            oldest = next((i for i, item in enumerate(self.items) if item[0] == "droppable"), None)
            if oldest is None:
                return None
            dropped += 1
            before = self.items[oldest - 1] if oldest > 0 else None
            if before is not None and before[0] == "gap":
                assert isinstance(before[1], int)
                self.items[oldest - 1 : oldest + 1] = [("gap", before[1] + 1, GAP_COST)]
            else:
                self.items[oldest] = ("gap", 1, GAP_COST)
        return dropped

    def take(self) -> object:
        if not self.items:
            self.writing = 0
            return None
        kind, name, self.writing = self.items.pop(0)
        return (kind, name) if kind == "gap" else name


def shown(entry: Entry | None) -> object:
    if isinstance(entry, Gap):
        assert json.loads(entry.text) == {"type": "gap", "dropped": entry.dropped}
        return ("gap", entry.dropped)
    assert not isinstance(entry, Close)
    return None if entry is None else entry.text


@given(STEPS)
def test_behaves_as_a_plain_list_would(steps: list[tuple[Sort, int] | str]) -> None:
    limit = 12 * GAP_COST
    budget = OutboxBudget(0)
    box, model = Outbox(limit, budget), ListOutbox(limit)
    for n, step in enumerate(steps):
        if isinstance(step, str):
            assert shown(box.take()) == model.take()
        else:
            sort, cost = step
            dropped = box.push(Message(f"m{n}", cost, sort))
            assert dropped == model.push(f"m{n}", sort, cost)
            if dropped is None:
                return
        assert box.used == model.used == budget.used <= limit
    while (entry := box.take()) is not None:
        assert shown(entry) == model.take()
    assert model.take() is None
    assert box.used == budget.used == 0
