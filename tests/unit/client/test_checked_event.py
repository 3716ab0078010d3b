from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.client import EventRefusedError, RoutingTable
from gateway.client.checked_event import JsonEvent, for_channel, for_stream
from gateway.protocol.events import MAX_EVENT_BYTES
from gateway.protocol.routing import Rule

TABLE = RoutingTable()
READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
TEXT = '{ "type":"ROUND_READY", "tenant_id":1, "branch_id":5 }'


def test_a_mapping_becomes_one_json_object() -> None:
    event = {**READY, "at": datetime(2024, 1, 2, tzinfo=UTC), "id": UUID(int=7), "ü": [1.5, None]}
    payload = for_stream(TABLE, event)
    assert json.loads(payload) == {
        **READY,
        "at": "2024-01-02T00:00:00Z",
        "id": "00000000-0000-0000-0000-000000000007",
        "ü": [1.5, None],
    }
    assert for_channel(TABLE, "branch:5:kitchen", event) == payload


@pytest.mark.parametrize("event", [TEXT, TEXT.encode()], ids=["str", "bytes"])
def test_what_is_json_already_is_sent_byte_for_byte(event: JsonEvent) -> None:
    assert for_stream(TABLE, event) == TEXT.encode()
    assert for_channel(TABLE, "branch:5:kitchen", event) == TEXT.encode()


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("{", "bad_json"),
        ('{"type":"ROUND_READY","tenant_id":1,"branch_id":5,"x":"\udcff"}', "bad_json"),
        (b"[]", "bad_shape"),
        ({**READY, "tenant_id": "1"}, "bad_shape"),
        ({**READY, "branch_id": True}, "bad_shape"),
        ({**READY, "event_id": "1-0"}, "reserved_member"),
        ({**READY, "type": "NO_SUCH_THING"}, "unknown_type"),
        ({**READY, "x": "y" * MAX_EVENT_BYTES}, "too_big"),
        ({**READY, "type": "CART_CLEARED"}, "not_for_audience"),
    ],
)
def test_what_the_gateway_would_refuse_is_refused_with_the_same_reason(event: JsonEvent, reason: str) -> None:
    with pytest.raises(EventRefusedError) as refusal:
        for_stream(TABLE, event)
    assert refusal.value.reason == reason
    with pytest.raises(EventRefusedError) as refusal:
        for_channel(TABLE, "branch:5:kitchen", event)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ("branch:6:kitchen", "channel_mismatch"),
        ("session:77", "channel_mismatch"),
        ("branch:05:kitchen", "channel_mismatch"),
        ("kitchen", "channel_mismatch"),
        ("", "channel_mismatch"),
    ],
)
def test_an_event_goes_only_to_a_channel_that_is_its_own(channel: str, reason: str) -> None:
    with pytest.raises(EventRefusedError) as refusal:
        for_channel(TABLE, channel, READY)
    assert refusal.value.reason == reason


def test_the_deployment_s_own_table_decides() -> None:
    table = RoutingTable({"BELL": Rule(kitchen=True)})
    bell = {**READY, "type": "BELL"}
    assert json.loads(for_stream(table, bell)) == bell
    with pytest.raises(EventRefusedError, match="unknown_type"):
        for_stream(table, READY)


def test_what_json_cannot_say_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        for_stream(TABLE, {**READY, "x": object()})
