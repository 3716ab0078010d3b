"""The core's own counters, asked for at each scrape instead of counted twice."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from gateway.fanout.measures import AUDIENCE_BUCKETS, BROADCAST_BUCKETS, END_TO_END_BUCKETS, Histogram, Measures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from gateway.fanout.base import CoreStats
    from gateway.fanout.measures import Counted

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
}
_SOCKET_COUNTERS = {
    "slow_closes": "Native sockets closed with 1013, because their client read too slowly.",
    "frames_in": "WebSocket frames that native sockets received.",
    "sends": "System calls by which native sockets were written to.",
    "bytes_out": "Bytes that these sent.",
}
_HISTOGRAMS = {
    "passing": (
        "broadcast_seconds",
        "From an event's acceptance until it is written, or in the outbox of whoever cannot take it at once.",
    ),
    "end_to_end": (
        "end_to_end_seconds",
        "The same from its beginning: by its stream id, or from when this node read it.",
    ),
    "audience": ("audience_size", "Recipients of an event on this node."),
}
_BROADCASTS = "Events that were passed to all their recipients."
_DELIVERIES = "Recipients of those events, together."
_LAG = "The longest that a reactor let its mailbox wait since the last scrape."


class MeasuredCore(Protocol):
    """What is asked; `fanout.base.Fanout` keeps it. Any thread."""

    def stats(self) -> CoreStats:
        """Counters and gauges."""
        ...

    def measures(self) -> Measures:
        """Histograms."""
        ...

    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes."""
        ...


class CoreCollector(Collector):
    """Turns `CoreStats` into metrics. Thread-safe, as `FanoutCore.stats` is.

    Series of native sockets are there from the start, at 0 where a node has none.
    """

    def __init__(self, on_stats: Callable[[CoreStats], None]) -> None:
        """`on_stats` is told what the core said, before anything of it is shown.

        The core is asked once per scrape, since some of what it says is "since it was asked last".
        """
        self._on_stats = on_stats
        self._core: MeasuredCore | None = None

    def bind(self, core: MeasuredCore) -> None:
        """Ask this one from now on."""
        self._core = core

    def families(self) -> list[Metric]:
        """The metrics without values."""
        return [*_families(None), _outboxes(None), *_histograms(_nothing())]

    def describe(self) -> list[Metric]:
        """See `Collector`; the registry asks this at registration, when no core is bound."""
        return self.families()

    def collect(self) -> Iterator[Metric]:
        """See `Collector`; of gauges nothing before a core is bound."""
        core = self._core
        if core is not None:
            stats = core.stats()
            self._on_stats(stats)
            yield from _families(stats)
            yield _outboxes(core.outbox_bytes())
        yield from _histograms(_nothing() if core is None else core.measures())


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
    yield GaugeMetricFamily("gateway_native_lag_seconds", _LAG, value=_seconds(of(sockets, "lag_micros")))


def _outboxes(waiting: int | None) -> Metric:
    return GaugeMetricFamily("gateway_outbox_bytes", "Bytes that wait in all outboxes.", value=waiting)


def _histograms(measures: Measures) -> Iterator[Metric]:
    for name, (exported, text) in _HISTOGRAMS.items():
        counted: Counted = getattr(measures, name)
        yield HistogramMetricFamily(f"gateway_{exported}", text, _cumulative(counted), counted.sum)
    yield CounterMetricFamily("gateway_broadcasts", _BROADCASTS, value=sum(measures.passing.counts))
    yield CounterMetricFamily("gateway_deliveries", _DELIVERIES, value=measures.audience.sum)


def _nothing() -> Measures:
    bounds = (BROADCAST_BUCKETS, END_TO_END_BUCKETS, AUDIENCE_BUCKETS)
    return Measures(*(Histogram(one).counted() for one in bounds))


def _cumulative(counted: Counted) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in counted.bounds), "+Inf"]
    return list(zip(bounds, map(float, accumulate(counted.counts)), strict=True))


def _seconds(micros: float | None) -> float | None:
    return None if micros is None else micros / 1_000_000
