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


class CoreCollector(Collector):
    """Turns `CoreStats` into metrics. Thread-safe, as `FanoutCore.stats` is."""

    def __init__(self) -> None:
        self._stats: Callable[[], CoreStats] | None = None

    def bind(self, stats: Callable[[], CoreStats]) -> None:
        """Ask this from now on."""
        self._stats = stats

    def families(self) -> list[Metric]:
        """The metrics without values."""
        gauges = [GaugeMetricFamily(f"gateway_core_{name}", text) for name, text in _GAUGES.items()]
        counters = [CounterMetricFamily(f"gateway_core_{name}", text) for name, text in _COUNTERS.items()]
        return [*gauges, *counters]

    def describe(self) -> list[Metric]:
        """See `Collector`; the registry asks this at registration, when no core is bound."""
        return self.families()

    def collect(self) -> Iterator[Metric]:
        """See `Collector`; nothing before a core is bound."""
        if self._stats is None:
            return
        stats = self._stats()
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"gateway_core_{name}", text, value=getattr(stats, name))
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"gateway_core_{name}", text, value=getattr(stats, name))
