"""`gateway emit`: what the gateway would refuse does not leave, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.protocol.events import MAX_EVENT_BYTES
from tests.unit.cli.conftest import Run

READY = '{"type":"ROUND_READY","tenant_id":1,"branch_id":5}'

# Nobody listens there: whatever is not refused before ends with 1 instead of 2.
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ("", "bad_json"),
        ("[]", "bad_shape"),
        ('{"type":"ROUND_READY","tenant_id":1,"branch_id":5,"event_id":"x"}', "reserved_member"),
        ('{"type":"NOPE","tenant_id":1,"branch_id":5}', "unknown_type"),
        ('{"type":"CART_CLEARED","tenant_id":1,"branch_id":5}', "not_for_audience"),
        (READY[:-1] + ',"x":"\udcff"}', "bad_json"),
        (READY[:-1] + ',"x":"' + "y" * MAX_EVENT_BYTES + '"}', "too_big"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused_with_its_reason(run: Run, event: str, says: str) -> None:
    ended = run("emit", event, "--redis-url", NOWHERE)
    assert ended.status == 2
    assert says in ended.sentence
    assert ended.out == ""


def test_a_good_event_gets_as_far_as_redis(run: Run) -> None:
    ended = run("emit", READY, "--redis-url", "redis://:s3cret@127.0.0.1:1/0")
    assert ended.status == 1
    assert "cannot be reached" in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_that_is_none_is_wrong_usage(run: Run, key: str) -> None:
    ended = run("emit", READY, "--key", key, "--redis-url", NOWHERE)
    assert ended.status == 2
    assert "1 to 256 bytes" in ended.sentence
    assert "--key" in ended.sentence


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "redis://127.0.0.1:6379/0?no_such_option=1", "redis+sentinel://127.0.0.1:26379"]
)
def test_a_url_that_cannot_be_used_is_a_sentence(run: Run, url: str) -> None:
    ended = run("emit", READY, "--redis-url", url)
    assert ended.status == 2
    assert "bug of the gateway" not in ended.err
    assert "URL" in ended.sentence


def test_the_routing_file_decides(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "routing.toml"
    table.write_text("replace = true\n[events.BELL]\nkitchen = true\n")
    bell = '{"type":"BELL","tenant_id":1,"branch_id":5}'
    assert run("emit", bell, "--redis-url", NOWHERE).status == 2
    assert run("emit", bell, "--redis-url", NOWHERE, GATEWAY_ROUTING_FILE=str(table)).status == 1


def test_production_without_secrets_may_emit(run: Run) -> None:
    # A back end's machine has none, and needs none.
    assert run("emit", READY, "--redis-url", NOWHERE, GATEWAY_ENVIRONMENT="production").status == 1
