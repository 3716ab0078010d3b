"""`gateway publish`: what the gateway would drop does not leave, and says why."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from gateway.protocol.events import MAX_EVENT_BYTES
from tests.unit.cli.conftest import Run

READY = '{"type":"ROUND_READY","tenant_id":1,"branch_id":5}'

# Nobody listens there: whatever is not refused before ends with 1 instead of 2.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("channel", "event", "says"),
    [
        ("branch:5", READY, "not a channel"),
        ("branch:05:kitchen", READY, "not a channel"),
        ("branch:5:kitchen\n", READY, "not a channel"),
        ("", READY, "not a channel"),
        ("branch:5:kitchen", "", "bad_json"),
        ("branch:5:kitchen", "{", "bad_json"),
        ("branch:5:kitchen", "[]", "bad_shape"),
        ("branch:5:kitchen", '{"type":"ROUND_READY","tenant_id":"1","branch_id":5}', "bad_shape"),
        ("branch:5:kitchen", '{"type":"ROUND_READY","tenant_id":1,"branch_id":5,"position":"x"}', "reserved_member"),
        ("branch:5:kitchen", '{"type":"NOPE","tenant_id":1,"branch_id":5}', "unknown_type"),
        ("branch:5:kitchen", '{"type":"CART_CLEARED","tenant_id":1,"branch_id":5}', "not_for_audience"),
        ("branch:6:kitchen", READY, "channel_mismatch"),
        ("session:77", READY, "channel_mismatch"),
        ("branch:5:kitchen", READY[:-1] + ',"x":"\udcff"}', "bad_json"),
        ("branch:5:kitchen", READY[:-1] + ',"x":"' + "y" * MAX_EVENT_BYTES + '"}', "too_big"),
    ],
)
def test_what_the_gateway_would_drop_is_refused_with_its_reason(run: Run, channel: str, event: str, says: str) -> None:
    ended = run("publish", channel, event, "--redis-url", NOWHERE)
    assert ended.status == 2
    assert says in ended.sentence
    assert ended.out == ""


def test_a_good_event_gets_as_far_as_redis(run: Run) -> None:
    ended = run("publish", "branch:5:kitchen", READY, "--redis-url", "redis://:s3cret@127.0.0.1:1/0")
    assert ended.status == 1
    assert "cannot be reached" in ended.err
    assert "s3cret" not in ended.err


def test_standard_input_is_read_no_further_than_an_event_may_be_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = io.BytesIO(b" " * (MAX_EVENT_BYTES * 3))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(endless))
    ended = run("publish", "branch:5:kitchen", "-", "--redis-url", NOWHERE)
    assert ended.status == 2
    assert "too_big" in ended.sentence
    assert endless.tell() < MAX_EVENT_BYTES * 3


def test_the_routing_file_decides(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "routing.toml"
    table.write_text("replace = true\n[events.BELL]\nkitchen = true\n")
    bell = '{"type":"BELL","tenant_id":1,"branch_id":5}'
    assert run("publish", "branch:5:kitchen", bell, "--redis-url", NOWHERE, GATEWAY_ROUTING_FILE=str(table)).status == 1
    assert run("publish", "branch:5:kitchen", READY, "--redis-url", NOWHERE).status == 2


def test_a_routing_file_that_is_none_ends_with_2(run: Run, tmp_path: Path) -> None:
    ended = run("publish", "branch:5:kitchen", READY, GATEWAY_ROUTING_FILE=str(tmp_path / "missing.toml"))
    assert ended.status == 2
    assert "cannot be read" in ended.err


def test_production_without_secrets_may_publish(run: Run) -> None:
    # A back end's machine has none, and needs none.
    ended = run("publish", "branch:5:kitchen", READY, "--redis-url", NOWHERE, GATEWAY_ENVIRONMENT="production")
    assert ended.status == 1


def test_without_any_redis_the_user_is_told_what_to_give(run: Run, tmp_path: Path) -> None:
    ended = run("publish", "branch:5:kitchen", READY, XDG_RUNTIME_DIR=str(tmp_path))
    assert ended.status == 1
    assert "--redis-url" in ended.err


def test_a_url_that_is_no_redis_url_is_wrong_usage(run: Run) -> None:
    ended = run("publish", "branch:5:kitchen", READY, "--redis-url", "http://127.0.0.1")
    assert ended.status == 2
    assert "redis://" in ended.err
