"""Decoding and routing alone: what one core does of it, without Redis, core and sockets."""

from __future__ import annotations

import json
import time

from gateway.protocol.audiences import parse_channel
from gateway.protocol.events import parse_event
from gateway.protocol.routing import RoutingTable

EVENTS = 20_000
ROUNDS = 5
ROOMS = 100


def decode_and_route() -> float:
    """Events a second of CPU time, the best of some rounds: channel, JSON, shape, table.

    Raises:
        AssertionError: an event was routed to somebody else than it should be.
    """
    routing = RoutingTable()
    messages = [(f"branch:{branch}:kitchen", _payload(branch)) for branch in range(1, ROOMS + 1)]
    for name, payload in messages:
        channel = parse_channel(name)
        assert channel is not None
        assert routing.route_channel(parse_event(payload), channel) == (name,)
    return max(_round(routing, messages) for _ in range(ROUNDS))


def _round(routing: RoutingTable, messages: list[tuple[str, bytes]]) -> float:
    began = time.process_time()
    for number in range(EVENTS):
        name, payload = messages[number % ROOMS]
        channel = parse_channel(name)
        assert channel is not None
        routing.route_channel(parse_event(payload), channel)
    return EVENTS / (time.process_time() - began)


def _payload(branch: int) -> bytes:
    event = {"type": "ROUND_SUBMITTED", "tenant_id": 1, "branch_id": branch, "number": 7, "pad": "x" * 150}
    return json.dumps(event, separators=(",", ":")).encode()
