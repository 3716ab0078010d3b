"""Events as a back end has them, checked as the gateway will check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.protocol.audiences import CHANNEL_FORMS, parse_channel
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.routing import RoutingTable

JsonEvent = Mapping[str, Any] | str | bytes
"""One JSON object: as a mapping, or written already; what is written already is sent byte for byte."""


def for_channel(routing: RoutingTable, channel: str, event: JsonEvent) -> bytes:
    """The payload of an event for a Pub/Sub channel.

    Raises:
        EventRefusedError: the gateway would drop it; `reason` says why.
        TypeError: the mapping holds what JSON cannot say.
    """
    parsed = parse_channel(channel)
    if parsed is None:
        raise refuse(DropReason.CHANNEL_MISMATCH, f"{channel!r} is no channel; expected one like {CHANNEL_FORMS}")
    payload = _encode(event)
    routing.route_channel(parse_event(payload), parsed)
    return payload


def for_stream(routing: RoutingTable, event: JsonEvent) -> bytes:
    """The payload of a critical event.

    Raises:
        EventRefusedError: the gateway would move it to the DLQ; `reason` says why.
        TypeError: the mapping holds what JSON cannot say.
    """
    payload = _encode(event)
    routing.route(parse_event(payload))
    return payload


def _encode(event: JsonEvent) -> bytes:
    match event:
        case bytes():
            return event
        case str():
            # A lone surrogate is not refused here but with everything else that is not UTF-8.
            return event.encode("utf-8", "surrogatepass")
        case _:
            return msgspec.json.encode(event)
