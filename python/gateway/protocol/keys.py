"""Names in Redis of what has to do with critical events: one place for all of them.

A room's own names share the hash tag `{tenant:7:branch:5}`, so that in a cluster they share a slot and one script may
touch them all; the relay's share the slot of the source stream, whose name hashes like `{events:critical}`.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.types import MAX_ID, Room

SOURCE: Final = "events:critical"
"""Stream: critical events from any producer; field `event` holds the JSON."""

GROUP: Final = "ws_gateway_group"
"""The gateways' one consumer group on the source."""

CONSUMER: Final = "relay"
"""The one consumer name of the group, whichever node is the relay: a successor finds what its predecessor held."""

DLQ: Final = "events:dlq"
"""Stream: source entries that cannot be delivered, and why."""

DLQ_ENTRIES: Final = 10_000
"""How many of them are kept."""

LEASE: Final = "{events:critical}:lease"
"""String with a time to live: which node is the active relay."""

FENCE: Final = "{events:critical}:fence"
"""Counter: goes up with every lease that is granted."""


def seen_key(key: str) -> str:
    """String, 24 h: the stream id that an idempotency key of `emit` was given."""
    return f"{{events:critical}}:seen:{key}"


def history_key(room: Room) -> str:
    """Stream: the room's critical events with their audiences, under the ids of the source."""
    return f"{_tag(room)}:history"


def head_key(room: Room) -> str:
    """String: the position of the room's last critical event; outlives the history."""
    return f"{_tag(room)}:head"


def fence_key(room: Room) -> str:
    """String: the number of the lease under which the room was last written; lives as long as the head."""
    return f"{_tag(room)}:fence"


def live_channel(room: Room) -> str:
    """Sharded Pub/Sub channel: what the relay and the API publish to the room."""
    return f"{_tag(room)}:live"


_LIVE: Final = re.compile(r"\{tenant:([1-9][0-9]{0,15}):branch:([1-9][0-9]{0,15})\}:live", re.ASCII)


def room_of_live_channel(name: str) -> Room | None:
    """The room whose live channel has this name; None when it is none. Matched whole. Thread-safe."""
    match = _LIVE.fullmatch(name)
    if match is None:
        return None
    room = Room(int(match[1]), int(match[2]))
    return room if max(room) <= MAX_ID else None


def _tag(room: Room) -> str:
    return f"{{tenant:{room.tenant}:branch:{room.branch}}}"
