"""`gateway top`: rates from counters, what is wrong in words, and a picture that fits a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.node_sample import NodeRates, NodeSample, all_rates, dead_letters, drops_by_reason, rates, troubles
from gateway.cli.operator_api import OperatorApi, OperatorApiError
from gateway.cli.top import looks
from gateway.cli.top_display import HEADER, picture
from tests.support.clock import FakeClock
from tests.support.fake_api import FakeApi, node_status, run_api
from tests.unit.cli.conftest import Run


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        yield fake


def sample(at: float, *statuses: dict[str, Any], silent: tuple[str, ...] = ()) -> NodeSample:
    return NodeSample.of({"nodes": list(statuses), "silent": list(silent)}, at)


# --- rates ----------------------------------------------------------------------------------------------------------


def test_rates_are_differences_over_the_time_between_two_looks() -> None:
    before = sample(10.0, node_status())
    now = sample(
        12.0,
        node_status(
            events={"pubsub": 120, "stream": 55}, deliveries_total=1_500, drops={"queue_full": 2, "bad_json": 1}
        ),
    )
    assert rates(before, now, "n1") == NodeRates(10.0, 2.5, 250.0, 1.5)


def test_there_is_no_rate_without_a_look_before_or_after_a_restart() -> None:
    first = sample(10.0, node_status())
    assert rates(None, first, "n1") == NodeRates()
    assert rates(first, sample(12.0, node_status("n2")), "n2") == NodeRates()
    assert rates(first, first, "n1") == NodeRates(), "no time has passed"
    fresh = node_status(events={"pubsub": 0, "stream": 0}, deliveries_total=0)
    assert rates(first, sample(12.0, fresh), "n1") == NodeRates(None, None, None, 0.0)


def test_the_rates_of_all_are_those_that_are_known() -> None:
    before = sample(0.0, node_status("n1"), node_status("n2"))
    now = sample(
        1.0, node_status("n1", deliveries_total=1_010), node_status("n2", deliveries_total=1_005), node_status("n3")
    )
    assert all_rates(before, now).deliveries == 15.0


def test_a_status_that_says_little_is_shown_all_the_same() -> None:
    bare = {"node": "n1"}
    before, now = sample(0.0, bare), sample(1.0, bare)
    assert rates(before, now, "n1") == NodeRates(0.0, 0.0, 0.0, 0.0)
    assert "n1" in drawn(before, now)


# --- what is wrong --------------------------------------------------------------------------------------------------


def test_with_healthy_nodes_nothing_is_wrong() -> None:
    assert troubles(sample(0.0, node_status(), node_status("n2", relay={"active": False}))) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ready": False, "reasons": ["redis", "relay"]}, "n1 is not ready: redis, relay"),
        ({"ready": False}, "it does not say why"),
        ({"draining": True, "ready": False}, "n1 is draining"),
        ({"breakers": {"commands": "half_open"}}, "n1: the breaker of commands is half_open"),
        ({"relay": {"active": False}}, "no node is the relay"),
        ({"dlq_length": 3}, "3 dead letters"),
    ],
)
def test_what_somebody_should_look_at_is_a_sentence(change: dict[str, Any], says: str) -> None:
    (sentence,) = troubles(sample(0.0, node_status(**change)))
    assert says in sentence


def test_a_silent_node_is_named() -> None:
    assert troubles(sample(0.0, node_status(), silent=("n2",))) == ["n2 does not answer"]


def test_dead_letters_are_counted_once_and_drops_are_added() -> None:
    now = sample(
        0.0,
        node_status("n1", dlq_length=3, drops={"bad_json": 1, "queue_full": 1}),
        node_status("n2", dlq_length=3, drops={"queue_full": 4}),
        node_status("n3", dlq_length=None),
    )
    assert dead_letters(now) == 3
    assert list(drops_by_reason(now).items()) == [("queue_full", 5), ("bad_json", 1)]
    assert dead_letters(sample(0.0, node_status(dlq_length=None))) is None


# --- the picture ----------------------------------------------------------------------------------------------------


def drawn(before: NodeSample | None, now: NodeSample, width: int = 80, complaint: str = "") -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(picture(before, now, url="http://127.0.0.1:8001", complaint=complaint))
    return captured.get()


def test_a_picture_fits_eighty_characters_without_breaking_a_cell() -> None:
    big = {"connections": {"total": 120_345, "waiter": 99_999}, "deliveries_total": 9_000_000, "outbox_bytes": 1 << 28}
    before = sample(0.0, node_status("9f1c2ab4"), node_status("b0c1d2e3"))
    now = sample(1.0, node_status("9f1c2ab4", **big), node_status("b0c1d2e3", drops={"bad_json": 7}))
    lines = drawn(before, now).splitlines()
    assert sum(line.startswith("9f1c2ab4") for line in lines) == 2
    for word in ("clients", "delivered/s", "critical/s", "120345", "99999", "8999000", "256 MiB", "active, lag 0"):
        assert any(word in line for line in lines), word
    assert any(line.startswith("all ") and "120355" in line for line in lines)
    assert "dropped since start:   bad_json 7" in lines


def test_one_node_needs_no_sum() -> None:
    assert "\nall" not in drawn(None, sample(0.0, node_status()))


def test_what_comes_from_elsewhere_cannot_move_the_cursor() -> None:
    evil = node_status("n\x1b[2J", ready=False, reasons=["\x1b[2J"], drops={"\x1b[2J": 1})
    assert "\x1b" not in drawn(None, sample(0.0, evil, silent=("\x1b[2J",)), complaint="\x1b[2J")


def test_no_node_at_all_is_drawn_too() -> None:
    assert "0 nodes" in drawn(None, sample(0.0))


# --- looking --------------------------------------------------------------------------------------------------------


class Looking:
    """A clock that a look's sleep moves, and what the fake answers meanwhile."""

    def __init__(self, api: OperatorApi) -> None:
        self.clock = FakeClock()
        self.slept: list[float] = []
        self._api = api

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def look(self, count: int) -> list[tuple[NodeSample | None, NodeSample, str]]:
        return list(looks(self._api, 2.0, count, self.clock.monotonic, self.sleep))


def test_every_look_is_compared_with_the_one_before(fake: FakeApi) -> None:
    fake.answers("/nodes", *({"nodes": [node_status(deliveries_total=n)], "silent": []} for n in (0, 10, 40)))
    looking = Looking(OperatorApi(fake.url))
    seen = looking.look(3)
    assert looking.slept == [2.0, 2.0]
    assert [all_rates(before, now).deliveries for before, now, _ in seen] == [None, 5.0, 15.0]
    for (_, now, _), (before, _, _) in pairwise(seen):
        assert now is before


def test_a_gateway_that_goes_away_is_said_and_waited_for(fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status(deliveries_total=0)], "silent": []})
    fake.answers("/nodes", {"error": "Redis is away"}, status=503)
    fake.answers("/nodes", {"nodes": [node_status(deliveries_total=40)], "silent": []})
    seen = Looking(OperatorApi(fake.url)).look(3)
    assert [("Redis is away" in complaint) for _, _, complaint in seen] == [False, True, False]
    assert seen[1][1] is seen[0][1], "the last that is known"
    assert all_rates(*seen[2][:2]).deliveries == 10.0, "over all the time since"


def test_the_first_look_has_to_succeed(fake: FakeApi) -> None:
    fake.answers("/nodes", {"error": "Redis is away"}, status=503)
    with pytest.raises(OperatorApiError):
        Looking(OperatorApi(fake.url)).look(2)


def test_a_key_that_is_refused_later_ends_it(fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status()], "silent": []})
    fake.answers("/nodes", {"error": "no valid key"}, status=401)
    with pytest.raises(OperatorApiError, match="no valid key"):
        Looking(OperatorApi(fake.url)).look(3)


# --- the command ----------------------------------------------------------------------------------------------------


def test_in_a_pipe_there_is_a_line_a_node_and_look(run: Run, fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status(), node_status("n2")], "silent": []})
    ended = run("top", "--count", "2", "--interval", "0.2", "--url", fake.url)
    assert (ended.status, ended.err) == (0, "")
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert [row[1] for row in rows] == ["n1", "n2", "n1", "n2"]
    assert all(len(row) == 1 + len(HEADER) for row in rows)
    assert float(rows[0][0]) < float(rows[2][0])


def test_as_json_it_is_the_nodes_own_words_with_rates(run: Run, fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status(dlq_length=2)], "silent": ["n2"]})
    ended = run("top", "--count", "1", "--json", "--url", fake.url)
    look = json.loads(ended.out)
    assert look["nodes"] == [node_status(dlq_length=2)]
    assert look["silent"] == ["n2"]
    assert look["rates"] == {"events": None, "critical": None, "deliveries": None, "drops": None}
    assert look["troubles"] == ["n2 does not answer", "2 dead letters: see `gateway dlq list`"]
