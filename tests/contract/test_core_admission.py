"""Tickets and permits: promises 1 and 5 of `fanout/base.py`, on each core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.fanout.base import CoreStats, FanoutLimits, Submission
from gateway.types import Room
from tests.support.cores import UNLIMITED, an_event, attach, every_core, leave, reached, submit, ticket_of

if TYPE_CHECKING:
    from tests.support.cores import MakeCore

pytestmark = every_core

ROOM, NEXT_ROOM, EMPTY_ROOM = Room(1, 5), Room(1, 6), Room(1, 7)
A = "branch:5:waiters"


def limits(broadcasts: int = 100, payload_bytes: int = 1_000, room: int = 100) -> FanoutLimits:
    return FanoutLimits(max_broadcasts=broadcasts, max_broadcast_bytes=payload_bytes, max_room_broadcasts=room)


def test_tickets_grow_in_the_order_of_submission(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A], NEXT_ROOM: [A]})
    assert submit(core, [(ROOM, [A], 1), (NEXT_ROOM, (A,), 1), (ROOM, [], 0)]) == [1, 2, 3]
    assert submit(core, [(NEXT_ROOM, [A], 1)]) == [4]


def test_an_empty_batch_has_no_answers(make_core: MakeCore) -> None:
    core = make_core()
    assert core.submit_many([]) == []
    assert core.submit_many(()) == []


def test_an_empty_room_is_answered_with_zero_and_holds_no_permit(make_core: MakeCore) -> None:
    core = make_core(limits(broadcasts=1))
    attach(core, 1, {ROOM: [A]})
    assert submit(core, [(EMPTY_ROOM, [A], 10**6)] * 3 + [(ROOM, [A], 1)]) == [0, 0, 0, 1]
    stats = core.stats()
    assert (stats.broadcasts_in_flight, stats.bytes_in_flight) == (1, 1)


def test_a_room_that_emptied_is_answered_with_zero(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]})
    leave(core, 1)
    assert submit(core, [(ROOM, [A], 1)]) == [0]


@pytest.mark.parametrize(
    ("limits_", "fits", "too_much"),
    [
        pytest.param(limits(broadcasts=2), [1, 1], 1, id="broadcasts of the node"),
        pytest.param(limits(payload_bytes=10), [4, 6], 1, id="bytes of the node"),
        pytest.param(limits(room=2), [1, 1], 1, id="broadcasts of the room"),
    ],
)
def test_each_limit_refuses_what_is_over_it_and_takes_nothing(
    make_core: MakeCore, limits_: FanoutLimits, fits: list[int], too_much: int
) -> None:
    core = make_core(limits_)
    attach(core, 1, {ROOM: [A]})
    tickets = [ticket_of(core, ROOM, A, size=size) for size in fits]
    before = core.stats()
    assert submit(core, [(ROOM, [A], too_much)]) == [None]
    after = core.stats()
    assert (after.broadcasts_in_flight, after.bytes_in_flight) == (
        before.broadcasts_in_flight,
        before.bytes_in_flight,
    )
    core.finish(tickets[0])
    assert submit(core, [(ROOM, [A], fits[0])]) == [len(fits) + 1], "a refusal used no ticket up"


def test_a_noisy_room_is_full_before_the_node_is(make_core: MakeCore) -> None:
    core = make_core(limits(broadcasts=10, room=3))
    attach(core, 1, {ROOM: [A], NEXT_ROOM: [A]})
    answers = submit(core, [(ROOM, [A], 1)] * 5 + [(NEXT_ROOM, [A], 1)] * 2)
    assert answers == [1, 2, 3, None, None, 4, 5]


@pytest.mark.parametrize("kind", ["broadcasts", "bytes"])
def test_a_noisy_tenant_leaves_a_tenth_of_the_node_to_others(make_core: MakeCore, kind: str) -> None:
    size = 1 if kind == "broadcasts" else 10
    core = make_core(limits(broadcasts=1_000, room=0) if kind == "broadcasts" else limits(0, 10_000, 0))
    attach(core, 1, {ROOM: [A], NEXT_ROOM: [A]})
    attach(core, 2, {Room(2, 5): [A]})
    noisy = submit(core, [(room, [A], size) for _ in range(600) for room in (ROOM, NEXT_ROOM)])
    assert sum(answer is not None for answer in noisy) == 901, "nine times what is free, and the one that is weighed"
    other = submit(core, [(Room(2, 5), [A], size)] * 200)
    assert sum(answer is not None for answer in other) == 90
    for ticket in filter(None, noisy):
        core.finish(ticket)
    assert None not in submit(core, [(Room(2, 5), [A], size)] * 700), "what nobody wants is for who does"


def test_a_payload_over_the_byte_budget_is_refused_on_an_idle_node(make_core: MakeCore) -> None:
    core = make_core(limits(payload_bytes=10))
    attach(core, 1, {ROOM: [A]})
    assert submit(core, [(ROOM, [A], 11)]) == [None]
    assert submit(core, [(ROOM, [A], 10)]) == [1]


def test_after_a_refusal_later_events_of_the_room_are_refused_in_this_batch_only(make_core: MakeCore) -> None:
    core = make_core(limits(payload_bytes=10))
    attach(core, 1, {ROOM: [A], NEXT_ROOM: [A]})
    batch = [(ROOM, [A], 1), (ROOM, [A], 11), (ROOM, [A], 1), (NEXT_ROOM, [A], 1), (EMPTY_ROOM, [A], 1)]
    assert submit(core, batch) == [1, None, None, 2, 0]
    assert submit(core, [(ROOM, [A], 1)]) == [3]


def test_the_same_branch_of_another_tenant_has_permits_of_its_own(make_core: MakeCore) -> None:
    core = make_core(limits(room=1))
    attach(core, 1, {ROOM: [A]})
    attach(core, 2, {Room(2, 5): [A]})
    assert submit(core, [(ROOM, [A], 1), (ROOM, [A], 1), (Room(2, 5), [A], 1)]) == [1, None, 2]


def test_a_room_keeps_its_permits_while_it_is_empty(make_core: MakeCore) -> None:
    core = make_core(limits(room=1))
    attach(core, 1, {ROOM: [A]})
    ticket = ticket_of(core, ROOM, A)
    leave(core, 1)
    attach(core, 2, {ROOM: [A]})
    assert submit(core, [(ROOM, [A], 1)]) == [None]
    core.finish(ticket)
    assert reached(core, ticket_of(core, ROOM, A)) == [2]


def test_zero_is_unlimited(make_core: MakeCore) -> None:
    core = make_core(UNLIMITED)
    attach(core, 1, {ROOM: [A]})
    assert submit(core, [(ROOM, [A], 2**10)] * 6_000) == list(range(1, 6_001))


def test_a_negative_limit_is_refused_by_name(make_core: MakeCore) -> None:
    for name in ("max_broadcasts", "max_broadcast_bytes", "max_room_broadcasts"):
        with pytest.raises(ValueError, match=f"{name} is -1; expected 0"):
            make_core(FanoutLimits(**{name: -1}))


def test_finishing_gives_back_once(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]})
    ticket = ticket_of(core, ROOM, A, size=9)
    core.finish(ticket)
    with pytest.raises(KeyError, match="finished already"):
        core.finish(ticket)
    assert (core.stats().broadcasts_in_flight, core.stats().bytes_in_flight) == (0, 0)


@pytest.mark.parametrize("ticket", [0, 1, -1, 2**70])
def test_a_ticket_that_was_never_given_is_a_key_error(make_core: MakeCore, ticket: int) -> None:
    core = make_core()
    for ask in (core.recipients, core.finish, lambda ticket: core.still_entitled(ticket, 1)):
        with pytest.raises(KeyError, match="no such ticket"):
            ask(ticket)


def test_nobody_is_entitled_who_is_not_attached(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]})
    ticket = ticket_of(core, ROOM, A)
    assert [core.still_entitled(ticket, one) for one in (1, 2, 0, -1, 2**70)] == [True] + [False] * 4


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (Submission(Room(0, 5), (A,), b"{}"), "room 0/5 is out of range"),
        (Submission(Room(1, 2**53), (A,), b"{}"), "is out of range; tenant and branch are 1 to 9007199254740991"),
        (Submission(Room(1, -5), (A,), b"{}"), "room 1/-5 is out of range"),
        (Submission(Room(2**70, 5), (A,), b"{}"), "is out of range"),
        (Submission(ROOM, (A,), b"{}", "1-1"), "position is malformed"),
        (Submission(ROOM, (A,), b"[]", "1-1/0123abcd"), "payload is not a JSON object"),
        (Submission(EMPTY_ROOM, (A,), b"[]", "1-1/0123abcd"), "payload is not a JSON object"),
    ],
)
def test_a_malformed_event_leaves_its_whole_batch_unadmitted(
    make_core: MakeCore, item: Submission, message: str
) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [A]})
    with pytest.raises(ValueError, match=message):
        core.submit_many([an_event(ROOM, A), item])
    assert core.stats().broadcasts_in_flight == core.stats().submitted == core.stats().refused == 0
    assert core.submit_many([an_event(ROOM, A)]) == [1]


def test_stats_count_and_gauge(make_core: MakeCore) -> None:
    core = make_core(limits(room=2))
    assert core.stats() == CoreStats(0, 0, 0, 0, 0, 0)
    attach(core, 1, {ROOM: [A], NEXT_ROOM: [A]})
    attach(core, 2, {ROOM: [A]})
    submit(core, [(ROOM, [A], 5), (ROOM, [A], 6), (ROOM, [A], 7), (EMPTY_ROOM, [A], 8), (NEXT_ROOM, [], 9)])
    assert core.stats() == CoreStats(
        connections=2, rooms=2, broadcasts_in_flight=3, bytes_in_flight=20, submitted=4, refused=1
    )
    core.finish(1)
    leave(core, 1)
    assert core.stats() == CoreStats(
        connections=1, rooms=1, broadcasts_in_flight=2, bytes_in_flight=15, submitted=4, refused=1
    )
