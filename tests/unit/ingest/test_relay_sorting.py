from __future__ import annotations

from gateway.broker.streams_base import RelayEntry, RoomBatch, SourceEntry
from gateway.ingest.relay_sorting import sort_entries
from gateway.protocol.routing import RoutingTable
from gateway.types import Room
from tests.support.relay_rig import critical_event

HERE, THERE = Room(7, 5), Room(7, 6)
ROUTING = RoutingTable()


def entry(number: int, payload: bytes) -> SourceEntry:
    return SourceEntry(f"{number}-0", {b"event": payload, b"trace": b"ignored"})


def test_entries_are_put_together_by_room_in_their_order() -> None:
    payloads = [critical_event(room, number) for number, room in enumerate([HERE, THERE, HERE])]
    batches, refused, vanished = sort_entries((entry(n, payload) for n, payload in enumerate(payloads)), ROUTING)
    audiences = {
        room: (f"branch:{room.branch}:admin", f"branch:{room.branch}:kitchen", f"branch:{room.branch}:waiters")
        for room in (HERE, THERE)
    }
    assert batches == [
        RoomBatch(HERE, [RelayEntry(f"{n}-0", audiences[HERE], payloads[n]) for n in (0, 2)]),
        RoomBatch(THERE, [RelayEntry("1-0", audiences[THERE], payloads[1])]),
    ]
    assert not refused
    assert vanished == 0


def test_what_cannot_be_delivered_is_refused_with_its_reason_and_the_others_go_on() -> None:
    bad = {
        b"no json": "bad_json",
        b"[]": "bad_shape",
        b" " * 65_537: "too_big",
        critical_event(HERE, 1, position="1-0"): "reserved_member",
        critical_event(HERE, 2, "NO_SUCH_TYPE"): "unknown_type",
        critical_event(HERE, 3, "CART_CLEARED"): "not_for_audience",
    }
    entries = [entry(n, payload) for n, payload in enumerate([*bad, critical_event(HERE, 4)])]
    batches, refused, _ = sort_entries(entries, ROUTING)
    assert [(item.entry, item.error.reason) for item in refused] == list(zip(entries, bad.values(), strict=False))
    assert [[relayed.entry_id for relayed in batch.entries] for batch in batches] == [["6-0"]]


def test_an_entry_without_the_field_is_refused() -> None:
    _, refused, _ = sort_entries([SourceEntry("1-0", {b"Event": b"{}"})], ROUTING)
    assert refused[0].error.reason == "bad_shape"
    assert "no field `event`" in str(refused[0].error)


def test_an_entry_that_has_left_the_stream_is_counted() -> None:
    assert sort_entries([SourceEntry("1-0", None)], ROUTING) == ([], [], 1)
