"""How this node does, and how all of them do."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.route import UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.endpoints.health import readiness
from gateway.errors import BrokerError
from gateway.hub.profiles import PROFILES
from gateway.telemetry.metrics import BREAKER_STATES
from gateway.telemetry.readings import Readings

STATUS = "status"
"""The kind of question."""

_VERSION = version("fanout-gateway")
_SOURCES = {"pubsub": "pubsub", "live": "stream"}
_STATES = {number: state for state, number in BREAKER_STATES.items()}


class RelayStatus(msgspec.Struct, frozen=True):
    """The relay as this node sees it.

    Attributes:
        active: whether it is this node.
        lag: entries that wait in the source, as of the last read; null where another node relays.
        pending: entries that a relay was given and has not acknowledged, as of the last sample; null before the first.
    """

    active: bool
    lag: int | None
    pending: int | None


class NodeStatus(msgspec.Struct, frozen=True):
    """One node. Totals count since its start.

    Attributes:
        node: its name, drawn at start.
        version: of the gateway.
        environment: `development` or `production`.
        uptime_seconds: since its start.
        time: Unix seconds of its clock, as it answered.
        fanout: the core, `native` or `pure`.
        draining: whether it sends its clients away.
        ready: whether it should get new connections.
        reasons: why not, as in `/ws/health/detailed`.
        connections: open ones, in all and by endpoint.
        rooms: rooms with members.
        deliveries_total: recipients of all events together.
        events: events that came in, `pubsub` from their channels, `stream` from the rooms' live channels.
        drops: events that were not delivered, by reason; `slow_client` counts each client that one was dropped for.
        slow_clients_total: connections closed with 1013.
        breakers: circuit breakers' states, by duty.
        relay: see there.
        dlq_length: dead letters; null when Redis cannot be asked.
        broadcasts_in_flight: events accepted and not yet passed to all their recipients.
        bytes_in_flight: their payload.
        outbox_bytes: bytes that wait for all clients.
    """

    node: str
    version: str
    environment: str
    uptime_seconds: float
    time: float
    fanout: str
    draining: bool
    ready: bool
    reasons: list[str]
    connections: dict[str, int]
    rooms: int
    deliveries_total: int
    events: dict[str, int]
    drops: dict[str, int]
    slow_clients_total: int
    breakers: dict[str, str]
    relay: RelayStatus
    dlq_length: int | None
    broadcasts_in_flight: int
    bytes_in_flight: int
    outbox_bytes: int


class Nodes(msgspec.Struct, frozen=True):
    """Every node that lives; `silent` are the names of those that did not answer within a second."""

    nodes: list[NodeStatus]
    silent: tuple[str, ...]


def status_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/status` and `/nodes`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.READ))

    @router.get("/status", summary="How this node does", **describe(NodeStatus))
    async def status() -> Response:
        return answer(await status_of(edge()))

    @router.get("/nodes", summary="How every node does", **describe(Nodes, UNAVAILABLE))
    async def nodes() -> Response:
        answers = await edge().api.talk.ask_all(STATUS, {})
        statuses, silent = answers.read(NodeStatus)
        return answer(Nodes(list(statuses.values()), silent))

    return router


async def status_of(edge: Edge) -> NodeStatus:
    """How this node does; for one that cannot reach Redis, too."""
    ready = await readiness(edge)
    stats = edge.fanout.stats()
    readings = Readings(edge.metrics.registry)
    by_endpoint = readings.by("gateway_connections", "endpoint")
    received = readings.by("gateway_events_received_total", "source")
    drops = readings.by("gateway_events_dropped_total", "reason")
    drops["slow_client"] = readings.of("gateway_outbox_dropped_total") or 0
    return NodeStatus(
        node=edge.manager.node,
        version=_VERSION,
        environment=edge.api.environment,
        uptime_seconds=round(edge.api.clock.time() - edge.api.started, 3),
        time=edge.api.clock.time(),
        fanout=edge.fanout.name,
        draining=edge.draining,
        ready=ready["status"] == "ready",
        reasons=ready["reasons"],
        connections={"total": stats.connections, **{name: int(by_endpoint.get(name, 0)) for name in PROFILES}},
        rooms=stats.rooms,
        deliveries_total=int(readings.of("gateway_deliveries_total") or 0),
        events={name: int(received.get(source, 0)) for source, name in _SOURCES.items()},
        drops={reason: int(count) for reason, count in sorted(drops.items()) if count},
        slow_clients_total=int(readings.by("gateway_closes_total", "code").get("1013", 0)),
        breakers={duty: _STATES[int(number)] for duty, number in readings.by("gateway_breaker_state", "duty").items()},
        relay=RelayStatus(
            edge.ways_in.relay(),
            _whole(readings.of("gateway_relay_lag")) if edge.ways_in.relay() else None,
            _whole(readings.of("gateway_source_pending")),
        ),
        dlq_length=await _dead_letters(edge) if ready["redis"]["reachable"] else None,
        broadcasts_in_flight=stats.broadcasts_in_flight,
        bytes_in_flight=stats.bytes_in_flight,
        outbox_bytes=edge.fanout.outbox_bytes(),
    )


async def _dead_letters(edge: Edge) -> int | None:
    try:
        return await edge.api.dead_letters.length()
    except BrokerError:
        return None


def _whole(number: float | None) -> int | None:
    return None if number is None or math.isnan(number) else int(number)


def answer_status(edge: Edge) -> None:
    """Let other nodes ask this one."""

    async def status(_args: Any) -> NodeStatus:
        return await status_of(edge)

    edge.api.talk.answer_with(STATUS, status)
