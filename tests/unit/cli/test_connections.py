"""`gateway connections` and `gateway rooms`: what is asked, and how the answer is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.fake_api import FakeApi, connection, room, run_api
from tests.unit.cli.conftest import Run


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with run_api() as fake:
        yield fake


def test_connections_are_asked_for_of_all_nodes_with_every_filter(run: Run, fake: FakeApi) -> None:
    fake.answers("/connections", {"connections": [connection(17)], "cursor": None, "silent": []})
    filters = ("--tenant", "1", "--branch", "5", "--user", "12", "--session", "77", "--endpoint", "kitchen")
    ended = run("connections", *filters, "--limit", "5", "--url", fake.url)
    assert (ended.status, ended.err) == (0, "")
    assert fake.asked[0].parameters == {
        "tenant": "1",
        "branch": "5",
        "user": "12",
        "session": "77",
        "endpoint": "kitchen",
        "nodes": "all",
        "limit": "5",
    }
    row = ended.out.removesuffix("\n").split("\t")
    assert row[:5] == ["n1-17", "1", "user:12", "kitchen", "5,6"]
    assert row[6:] == ["0s", "0 B", "5:1700000000000-0/0123abcd"], "its token has expired long ago"


def test_what_a_connection_does_not_say_is_a_dash(run: Run, fake: FakeApi) -> None:
    bare = connection(1, endpoint=None, since=None, expires_at=None, outbox_bytes=None, positions={})
    fake.answers("/connections", {"connections": [bare], "cursor": None, "silent": []})
    ended = run("connections", "--url", fake.url)
    assert ended.out.removesuffix("\n").split("\t")[3:] == ["-", "5,6", "-", "-", "-", ""]


def test_many_positions_are_cut(run: Run, fake: FakeApi) -> None:
    many = connection(1, positions={str(branch): "0-0" for branch in range(1, 9)})
    fake.answers("/connections", {"connections": [many], "cursor": None, "silent": []})
    assert run("connections", "--url", fake.url).out.endswith("\t1:0-0 2:0-0 3:0-0 …\n")


def test_more_than_were_asked_for_and_nodes_that_are_silent_are_said(run: Run, fake: FakeApi) -> None:
    fake.answers("/connections", {"connections": [connection(1)], "cursor": "n1-1", "silent": ["n2", "n3"]})
    ended = run("connections", "--limit", "1", "--url", fake.url)
    assert ended.status == 0
    assert "ends after 1" in ended.err
    assert "no answer in time from n2, n3" in ended.err


def test_json_is_what_the_api_says_one_a_line(run: Run, fake: FakeApi) -> None:
    fake.answers(
        "/connections",
        {"connections": [connection(1)], "cursor": "n1-1", "silent": []},
        {"connections": [connection(2)], "cursor": None, "silent": []},
    )
    ended = run("connections", "--limit", "0", "--this-node", "--json", "--url", fake.url)
    assert [json.loads(line) for line in ended.out.splitlines()] == [connection(1), connection(2)]
    assert fake.asked[0].parameters == {"nodes": "this", "limit": "1000"}


def test_nobody_is_no_failure(run: Run, fake: FakeApi) -> None:
    fake.answers("/connections", {"connections": [], "cursor": None, "silent": []})
    fake.answers("/rooms", {"rooms": [], "cursor": None, "silent": []})
    for command, says in (("connections", "nobody is connected"), ("rooms", "nobody is in any branch of tenant 9")):
        ended = run(command, "--tenant", "9", "--url", fake.url)
        assert (ended.status, ended.out) == (0, "")
        assert says in ended.err


@pytest.mark.parametrize("narrower", [("--branch", "5"), ("--user", "12"), ("--session", "77")])
def test_what_has_a_meaning_in_a_tenant_wants_one(run: Run, fake: FakeApi, narrower: tuple[str, str]) -> None:
    ended = run("connections", *narrower, "--url", fake.url)
    assert ended.status == 2
    assert "give --tenant too" in ended.sentence
    assert fake.asked == []


def test_rooms_are_shown_with_their_audiences(run: Run, fake: FakeApi) -> None:
    fake.answers("/rooms", {"rooms": [room(5), room(6, position=None)], "cursor": None, "silent": ["n2"]})
    ended = run("rooms", "--tenant", "1", "--url", fake.url)
    assert ended.status == 0
    assert fake.asked[0].parameters == {"tenant": "1", "nodes": "all", "limit": "100"}
    assert [line.split("\t") for line in ended.out.splitlines()] == [
        ["1", "5", "3", "branch:5:kitchen=1 branch:5:waiters=2", "1700000000000-0/0123abcd"],
        ["1", "6", "3", "branch:6:kitchen=1 branch:6:waiters=2", "-"],
    ]
    assert "n2" in ended.err


def test_rooms_as_json_of_one_node(run: Run, fake: FakeApi) -> None:
    fake.answers("/rooms", {"rooms": [room(5)], "cursor": "1.5", "silent": []})
    ended = run("rooms", "--this-node", "--limit", "1", "--json", "--url", fake.url)
    assert json.loads(ended.out) == room(5)
    assert fake.asked[0].parameters == {"nodes": "this", "limit": "1"}
    assert "ends after 1" in ended.err


@pytest.mark.parametrize("command", ["connections", "rooms", "top"])
def test_a_refusal_is_a_failure_in_words(run: Run, fake: FakeApi, command: str) -> None:
    path = {"top": "/nodes"}.get(command, f"/{command}")
    fake.answers(path, {"error": "this key has the scope publish"}, status=403)
    ended = run(command, "--url", fake.url, "--key", "k" * 32)
    assert (ended.status, ended.out) == (1, "")
    assert "this key has the scope publish" in ended.err
    assert "k" * 32 not in ended.err
