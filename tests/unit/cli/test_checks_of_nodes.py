"""`gateway doctor --url` finds what is wrong with gateways that run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.cli.checks.base import Level
from gateway.cli.checks.gathering import gather
from gateway.cli.checks.nodes import NodesCheck
from gateway.cli.operator_api import OperatorApi
from tests.support.fake_api import FakeApi, node_status, run_api
from tests.support.patients import developer, levels, patient, said
from tests.unit.cli.conftest import Run

OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        yield fake


def test_where_no_gateway_was_named_there_is_nothing_to_say() -> None:
    assert levels(NodesCheck(), developer()) == []


@pytest.mark.parametrize(
    ("change", "level", "says"),
    [
        ({}, OK, ""),
        ({"ready": False, "reasons": ["redis"]}, PROBLEM, "n2 is not ready: redis"),
        ({"ready": False}, PROBLEM, "it does not say why"),
        ({"draining": True, "ready": False}, WARNING, "n2 is draining"),
        ({"breakers": {"live": "open"}}, PROBLEM, "does not ask Redis for live"),
        ({"version": "0.2.0"}, WARNING, "0.1.0, 0.2.0"),
        ({"environment": "development"}, WARNING, "development, production"),
        ({"dlq_length": 7}, WARNING, "gateway dlq list"),
    ],
)
def test_what_is_wrong_with_a_node(change: dict[str, Any], level: Level, says: str) -> None:
    found = patient(nodes=(node_status("n1"), node_status("n2", **change)))
    assert levels(NodesCheck(), found) == [level]
    assert says in said(NodesCheck(), found)


def test_without_a_relay_critical_events_wait() -> None:
    idle = patient(nodes=(node_status(relay={"active": False}),))
    assert levels(NodesCheck(), idle) == [PROBLEM]
    assert "no node is the relay" in said(NodesCheck(), idle)


def test_a_silent_node_is_a_problem(fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status()], "silent": ["n9"]})
    found = gather({}, None, OperatorApi(fake.url))
    assert levels(NodesCheck(), found) == [PROBLEM]
    assert "n9 does not answer" in said(NodesCheck(), found)
    assert found.asked_at[0] <= found.asked_at[1]


def test_a_gateway_that_cannot_be_asked_is_a_problem() -> None:
    found = gather({}, None, OperatorApi("http://127.0.0.1:1"))
    assert levels(NodesCheck(), found) == [PROBLEM]
    assert "no gateway answers" in said(NodesCheck(), found)


def test_the_command_asks_with_the_key(run: Run, fake: FakeApi) -> None:
    fake.answers("/nodes", {"nodes": [node_status(dlq_length=2)], "silent": []})
    ended = run("doctor", "--url", fake.url, "--key", "k" * 32)
    assert fake.asked[0].headers["Authorization"] == "Bearer " + "k" * 32
    assert "2 critical events could not be delivered" in ended.out
    assert ended.status == 1, "its clock is years away"
