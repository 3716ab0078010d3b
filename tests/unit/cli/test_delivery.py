"""`gateway delivery`: what became of an event, and whether one connection got it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fake_api import FakeApi, run_api
from tests.unit.cli.conftest import Run

EVENT = "1700000000000-0"


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        yield fake


def report(**changes: Any) -> dict[str, Any]:
    node = {
        "node": "n1",
        "tenant": 1,
        "branch": 5,
        "type": "ROUND_READY",
        "matched": 4,
        "sent": 2,
        "queued": 1,
        "dropped": {"connection_ended": 1},
        "at": 1_700_000_000.5,
        "seconds": 0.0021,
    }
    whole = {"event_id": EVENT, "tenant": 1, "branch": 5, "type": "ROUND_READY", "nodes": [node], "silent": []}
    return whole | changes


def test_each_node_is_a_row(run: Run, fake: FakeApi) -> None:
    fake.answers(f"/events/{EVENT}", report(silent=["n2"]))
    ended = run("delivery", EVENT, "--tenant", "1", "--branch", "5", "--url", fake.url)
    assert ended.status == 0
    row = ended.out.removesuffix("\n").split("\t")
    assert row == ["n1", "4", "2", "1", "connection_ended=1", "2023-11-14 22:13:20", "0.002"]
    assert fake.asked[0].parameters == {"tenant": "1", "branch": "5"}
    assert "no answer in time from n2" in ended.err


def test_an_event_that_reached_no_node_is_said(run: Run, fake: FakeApi) -> None:
    fake.answers(f"/events/{EVENT}", report(nodes=[]))
    ended = run("delivery", EVENT, "--json", "--url", fake.url)
    assert ended.status == 0
    assert json.loads(ended.out) == report(nodes=[])
    assert "nobody was in branch 5" in ended.err


@pytest.mark.parametrize(("got_it", "word", "status"), [(True, "yes", 0), (False, "no", 1), (None, "unknown", 1)])
def test_whether_a_connection_got_it_is_the_exit_status(
    run: Run, fake: FakeApi, got_it: bool | None, word: str, status: int
) -> None:
    receipt = {"got_it": got_it, "why": "because", "position": None}
    fake.answers(f"/events/{EVENT}/connections/n1-17", receipt)
    ended = run("delivery", EVENT, "--connection", "n1-17", "--url", fake.url)
    assert (ended.status, ended.out, ended.err) == (status, f"{word}\tbecause\n", "")
    ended = run("delivery", EVENT, "--connection", "n1-17", "--json", "--url", fake.url)
    assert (ended.status, json.loads(ended.out)) == (status, receipt)


def test_a_name_with_a_slash_stays_a_name(run: Run, fake: FakeApi) -> None:
    run("delivery", EVENT, "--connection", "../../x?y", "--url", fake.url)
    assert fake.asked[0].path == f"/api/v1/events/{EVENT}/connections/..%2F..%2Fx%3Fy"


@pytest.mark.parametrize(
    ("arguments", "says"), [(("x",), "not a stream id"), ((EVENT, "--tenant", "1"), "give both"), ((), "EVENT")]
)
def test_what_names_no_event_is_wrong_usage(run: Run, fake: FakeApi, arguments: tuple[str, ...], says: str) -> None:
    ended = run("delivery", *arguments, "--url", fake.url)
    assert (ended.status, ended.out) == (2, "")
    assert says in ended.sentence
    assert fake.asked == []


def test_an_event_that_nobody_knows_is_a_failure_in_the_gateways_words(run: Run, fake: FakeApi) -> None:
    fake.answers(f"/events/{EVENT}", {"error": "no node remembers that event"}, status=404)
    ended = run("delivery", EVENT, "--url", fake.url)
    assert (ended.status, ended.out) == (1, "")
    assert "no node remembers that event" in ended.err
