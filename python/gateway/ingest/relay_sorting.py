"""From source entries to rooms: check, route, and put together what goes to one room."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.broker.streams_base import RelayEntry, RoomBatch, SourceEntry
from gateway.errors import EventRefusedError
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.routing import RoutingTable
from gateway.types import Room


class RefusedEntry(NamedTuple):
    """An entry that cannot be delivered."""

    entry: SourceEntry
    error: EventRefusedError


class SortedEntries(NamedTuple):
    """Entries by room, in the order of the source; those that are refused; those that have vanished."""

    batches: list[RoomBatch]
    refused: list[RefusedEntry]
    vanished: int


def sort_entries(entries: Iterable[SourceEntry], routing: RoutingTable) -> SortedEntries:
    """Check each entry's event and work out its room and audiences. Thread-safe."""
    rooms: dict[Room, list[RelayEntry]] = {}
    refused: list[RefusedEntry] = []
    vanished = 0
    for entry in entries:
        if entry.fields is None:
            vanished += 1
            continue
        try:
            room, relayed = _route(entry.entry_id, entry.fields.get(b"event"), routing)
        except EventRefusedError as error:
            refused.append(RefusedEntry(entry, error))
        else:
            rooms.setdefault(room, []).append(relayed)
    return SortedEntries([RoomBatch(room, batch) for room, batch in rooms.items()], refused, vanished)


def _route(entry_id: str, payload: bytes | None, routing: RoutingTable) -> tuple[Room, RelayEntry]:
    if payload is None:
        raise refuse(DropReason.BAD_SHAPE, "the stream entry has no field `event`")
    event = parse_event(payload)
    return event.room, RelayEntry(entry_id, routing.route(event), payload)
