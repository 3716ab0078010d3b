"""The node's numbers, out of what it counts anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, Final

from gateway.endpoints.edge import Edge
from gateway.endpoints.health import readiness
from gateway.telemetry.metrics import ENDPOINTS
from gateway.types import Clock

_BREAKER_STATES: Final = {0: "closed", 1: "half_open", 2: "open"}

_FAMILIES: Final = (
    # The core's first: asking it brings the counters of native sockets up to date.
    "gateway_core_connections",
    "gateway_native_slow_closes_total",
    "gateway_native_outbox_bytes",
    "gateway_connections",
    "gateway_deliveries_total",
    "gateway_events_received_total",
    "gateway_events_dropped_total",
    "gateway_outbox_dropped_total",
    "gateway_breaker_state",
)


class NodeStatus:
    """Makes a status at most once a second, however many ask. For one event loop."""

    def __init__(
        self, edge: Edge, clock: Clock, *, node: str, environment: str, relay_lag: Callable[[], int | None]
    ) -> None:
        """`clock`: `monotonic` is used; `relay_lag`: entries that wait in the source, where the relay knows."""
        self._edge = edge
        self._clock = clock
        self._node = node
        self._environment = environment
        self._relay_lag = relay_lag
        self._started = clock.monotonic()
        self._made_at = float("-inf")
        self._made: dict[str, Any] = {}

    async def __call__(self) -> Mapping[str, Any]:
        """The newest status, at most half a second old."""
        now = self._clock.monotonic()
        if now - self._made_at >= 0.5:  # noqa: PLR2004 - half of what lies between two statuses
            self._made_at = now
            self._made = await self._make(now)
        return self._made

    async def _make(self, now: float) -> dict[str, Any]:
        edge = self._edge
        ready = await readiness(edge)
        values = self._values()
        stats = edge.fanout.stats()
        return {
            "node": self._node,
            "version": version("fanout-gateway"),
            "environment": self._environment,
            "uptime_seconds": now - self._started,
            "fanout": edge.fanout.name,
            "draining": edge.draining,
            "ready": ready["status"] == "ready",
            "reasons": ready["reasons"],
            "connections": {"total": stats.connections}
            | {name: int(values.get(("gateway_connections", name), 0)) for name in ENDPOINTS},
            "rooms": stats.rooms,
            "deliveries_total": int(values["gateway_deliveries_total", ""]),
            "events": {
                "pubsub": int(values["gateway_events_received_total", "pubsub"]),
                "stream": int(values["gateway_events_received_total", "live"]),
            },
            "drops": {
                label: int(value)
                for (name, label), value in values.items()
                if name == "gateway_events_dropped_total" and value
            }
            | {"slow_client": int(values["gateway_outbox_dropped_total", ""])},
            "slow_clients_total": int(values["gateway_native_slow_closes_total", ""]),
            "breakers": {
                label: _BREAKER_STATES[int(value)]
                for (name, label), value in values.items()
                if name == "gateway_breaker_state"
            },
            "relay": {"active": edge.ways_in.relay(), "lag": self._relay_lag(), "pending": None},
            "dlq_length": None,
            "broadcasts_in_flight": stats.broadcasts_in_flight,
            "bytes_in_flight": stats.bytes_in_flight,
            "outbox_bytes": int(values["gateway_native_outbox_bytes", ""]),
        }

    def _values(self) -> dict[tuple[str, str], float]:
        """Samples by name and label value; each family that is asked for has at most one label."""
        registry = self._edge.metrics.registry.restricted_registry(_FAMILIES)
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
