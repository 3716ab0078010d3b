"""The core's own counters, asked for at each scrape instead of counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from gateway.fanout.base import CoreStats

_GAUGES = {
    "connections": "Connections that the core holds.",
    "rooms": "Rooms that have a member on this node.",
    "broadcasts_in_flight": "Events accepted and not yet passed to all their recipients.",
    "bytes_in_flight": "Payload bytes of those events.",
}
_COUNTERS = {
    "submitted": "Events offered to the core and accepted.",
    "refused": "Events that the core refused because no permit was free.",
}


_SOCKET_GAUGES = {
    "sockets": "Native sockets that are held, those that are closing among them.",
    "outbox_bytes": "Bytes that wait in the outboxes of native sockets.",
}
_SOCKET_COUNTERS = {
    "slow_closes": "Native sockets closed with 1013, because their client read too slowly.",
    "frames_in": "WebSocket frames that native sockets received.",
    "sends": "System calls by which native sockets were written to.",
    "bytes_out": "Bytes that these sent.",
}
_MICROS = {
    "broadcast_micros": ("broadcast_seconds", "Seconds from accepting an event to having passed it, added up."),
}
_LAG = "The longest that a reactor let its mailbox wait since the last scrape."


class CoreCollector(Collector):
    """Turns `CoreStats` into metrics. Thread-safe, as `FanoutCore.stats` is.

    Series of native sockets are there from the start, at 0 where a node has none.
    """

    def __init__(self, on_stats: Callable[[CoreStats], None]) -> None:
        """`on_stats` is told what the core said, before anything of it is shown.

        The core is asked once per scrape, since some of what it says is "since it was asked last".
        """
        self._on_stats = on_stats
        self._stats: Callable[[], CoreStats] | None = None

    def bind(self, stats: Callable[[], CoreStats]) -> None:
        """Ask this from now on."""
        self._stats = stats

    def families(self) -> list[Metric]:
        """The metrics without values."""
        return list(_families(None))

    def describe(self) -> list[Metric]:
        """See `Collector`; the registry asks this at registration, when no core is bound."""
        return self.families()

    def collect(self) -> Iterator[Metric]:
        """See `Collector`; nothing before a core is bound."""
        if self._stats is None:
            return
        stats = self._stats()
        self._on_stats(stats)
        yield from _families(stats)


def _families(stats: CoreStats | None) -> Iterator[Metric]:
    def of(source: object, name: str) -> float | None:
        # Without stats a family has no value; with stats of a core that has no sockets, their values are nought.
        return None if stats is None else getattr(source, name, 0)

    sockets = None if stats is None else stats.sockets
    for name, text in _GAUGES.items():
        yield GaugeMetricFamily(f"gateway_core_{name}", text, value=of(stats, name))
    for name, text in _COUNTERS.items():
        yield CounterMetricFamily(f"gateway_core_{name}", text, value=of(stats, name))
    for name, text in _SOCKET_GAUGES.items():
        yield GaugeMetricFamily(f"gateway_native_{name}", text, value=of(sockets, name))
    for name, text in _SOCKET_COUNTERS.items():
        yield CounterMetricFamily(f"gateway_native_{name}", text, value=of(sockets, name))
    for name, (exported, text) in _MICROS.items():
        yield CounterMetricFamily(f"gateway_native_{exported}", text, value=_seconds(of(sockets, name)))
    yield GaugeMetricFamily("gateway_native_lag_seconds", _LAG, value=_seconds(of(sockets, "lag_micros")))


def _seconds(micros: float | None) -> float | None:
    return None if micros is None else micros / 1_000_000
