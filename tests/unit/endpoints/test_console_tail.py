"""An operator's tail: the filter, and the bounds in which it samples."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.endpoints.console.messages import parse_request
from gateway.endpoints.console.tail import (
    LOOKED_AT_PER_SECOND,
    READ_PER_SECOND,
    SHOWN_BYTES,
    SHOWN_PER_SECOND,
    WAITING,
    EventTail,
)
from gateway.endpoints.console.tail_filter import TailFilter, type_of
from gateway.fanout.base import Submission
from gateway.types import Room
from tests.support.clock import FakeClock

POSITION = "1700000000000-0/1b2c3d4e"


def event(kind: str = "ROUND_READY", tenant: int = 1, branch: int = 5, position: str | None = None, **more: Any) -> Any:
    payload = json.dumps({"type": kind, "tenant_id": tenant, "branch_id": branch, **more}).encode()
    return Submission(Room(tenant, branch), (f"branch:{branch}:kitchen",), payload, position)


def tail_of(*items: Submission, wanted: TailFilter = TailFilter(), clock: FakeClock | None = None) -> EventTail:  # noqa: B008
    tail = EventTail(clock or FakeClock(), wanted)
    tail.on_submitted(items, [True] * len(items))
    return tail


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        (TailFilter(), ["A_ROUND", "A_TICKET", "B_ROUND"]),
        (TailFilter(tenant=2), ["B_ROUND"]),
        (TailFilter(branch=6), ["A_TICKET"]),
        (TailFilter(delivery="critical"), ["A_TICKET"]),
        (TailFilter(delivery="best_effort"), ["A_ROUND", "B_ROUND"]),
        (TailFilter(type="round"), ["A_ROUND", "B_ROUND"]),
        (TailFilter(text="néé"), ["B_ROUND"]),
        (TailFilter(text="NÉÉ"), []),
        (TailFilter(tenant=2, type="ticket"), []),
    ],
)
def test_the_filter_lets_through_what_holds_in_all_of_it(wanted: TailFilter, kinds: list[str]) -> None:
    second = Submission(Room(2, 5), (), '{"type":"B_ROUND","note":"néé"}'.encode())
    tail = tail_of(event("A_ROUND"), event("A_TICKET", branch=6, position=POSITION), second, wanted=wanted)
    assert [shown.type for shown in tail.take()] == kinds
    assert (tail.seen, tail.skipped) == (3, 0)


def test_what_is_shown_says_where_it_goes_and_how() -> None:
    tail = EventTail(FakeClock(time=1_700_000_000.5), TailFilter())
    tail.on_submitted([event(position=POSITION), event("CHECK_PAID", note="x" * SHOWN_BYTES)], [True, False])
    critical, refused = tail.take()
    assert (critical.critical, critical.position, critical.accepted, critical.size) == (True, POSITION, True, None)
    assert (critical.tenant, critical.branch, critical.audiences) == (1, 5, ("branch:5:kitchen",))
    assert critical.at == 1_700_000_000.5
    assert json.loads(critical.event) == {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
    assert (refused.critical, refused.accepted) == (False, False)
    assert len(refused.event) == SHOWN_BYTES
    assert refused.size is not None
    assert refused.size > SHOWN_BYTES


def test_a_second_shows_a_bounded_number_and_the_rest_is_counted() -> None:
    clock = FakeClock()
    tail = tail_of(*[event()] * (SHOWN_PER_SECOND + 7), clock=clock)
    assert len(tail.take()) == SHOWN_PER_SECOND
    assert (tail.seen, tail.skipped) == (SHOWN_PER_SECOND + 7, 7)
    clock.advance(1)
    tail.on_submitted([event()], [True])
    assert len(tail.take()) == 1


def test_a_filter_reads_a_bounded_number_of_events_a_second() -> None:
    clock = FakeClock()
    tail = tail_of(*[event()] * (READ_PER_SECOND + 3), wanted=TailFilter(type="CHECK"), clock=clock)
    assert (tail.take(), tail.skipped) == ([], 3)
    clock.advance(1)
    tail.on_submitted([event("CHECK_PAID")], [True])
    assert [shown.type for shown in tail.take()] == ["CHECK_PAID"]


def test_a_filter_by_numbers_alone_reads_nothing_and_so_misses_nothing() -> None:
    tail = tail_of(*[event()] * (READ_PER_SECOND + 3), event(tenant=2), wanted=TailFilter(tenant=2))
    assert (len(tail.take()), tail.skipped) == (1, 0)


def test_in_a_flood_even_the_numbers_of_a_bounded_number_are_compared() -> None:
    clock = FakeClock()
    tail = tail_of(*[event()] * LOOKED_AT_PER_SECOND, event(tenant=2), wanted=TailFilter(tenant=2), clock=clock)
    assert (tail.take(), tail.seen, tail.skipped) == ([], LOOKED_AT_PER_SECOND + 1, 1)
    clock.advance(1)
    tail.on_submitted([event(tenant=2)], [True])
    assert len(tail.take()) == 1


def test_an_operator_that_takes_nothing_holds_a_bounded_number() -> None:
    clock = FakeClock()
    tail = EventTail(clock, TailFilter())
    for _ in range(100):
        tail.on_submitted([event()] * SHOWN_PER_SECOND, [True] * SHOWN_PER_SECOND)
        clock.advance(1)
    assert len(tail.take()) == WAITING
    assert tail.skipped == 100 * SHOWN_PER_SECOND - WAITING


def test_another_filter_lets_go_what_the_old_one_gathered() -> None:
    tail = tail_of(event())
    tail.change(TailFilter(type="CHECK"))
    tail.on_submitted([event("CHECK_PAID"), event()], [True, True])
    assert [shown.type for shown in tail.take()] == ["CHECK_PAID"]


def test_an_event_without_a_readable_type_has_none() -> None:
    assert type_of(b"[") == ""
    assert type_of(b'{"type":5}') == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"type":"tail"}',
        '{"type":"other","on":true}',
        '{"type":"tail","on":1}',
        '{"type":"tail","on":true,"filter":{"tenant":0}}',
        '{"type":"tail","on":true,"filter":{"tenant":true}}',
        '{"type":"tail","on":true,"filter":{"delivery":"some"}}',
        '{"type":"tail","on":true,"filter":{"text":"' + "x" * 257 + '"}}',
        '{"type":"tail","on":true,"more":1}',
    ],
)
def test_what_the_page_never_says_is_refused_by_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="expected type tail"):
        parse_request(text)


def test_what_the_page_says_is_understood() -> None:
    asked = parse_request('{"type":"tail","on":true,"filter":{"tenant":7,"delivery":"critical"}}')
    assert asked.on
    assert asked.filter == TailFilter(tenant=7, delivery="critical")
    assert msgspec.structs.asdict(parse_request('{"type":"tail","on":false}'))["on"] is False
