"""Series by tenant, and no more of them than is set: the busiest tenants have their own, all others share one."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.metrics_core import Metric

OTHER: Final = "other"

MAX_COUNTED: Final = 10_000
"""Tenants that are told apart between two scrapes. Producers name tenants, and may name as many as they like."""

_FADING: Final = 0.5
"""What a tenant's activity before the last scrape counts, against what came since."""

_CONNECTIONS = "Connections of a tenant; the busiest have a series each, all others share one."
_EVENTS = "Events of a tenant that were admitted, or refused for want of a permit."
_DROPPED = "Events of a tenant that were dropped by its rate, or for want of a permit."


class TenantCollector(Collector):
    """Counts by tenant and shows the busiest. Thread-safe.

    Which are the busiest is found out at each scrape, by connections and events; the numbers since the last scrape are
    then added to each tenant's own series if it is among them, and to `other` if not. So every event is counted in
    exactly one series, no counter ever goes back, and a tenant that was quiet for long begins again at nought, which
    Prometheus takes for a restart.
    """

    def __init__(self, most: int) -> None:
        """`most` tenants have their own series; with 0 there are no series by tenant at all."""
        self._most = most
        self._lock = threading.Lock()
        self._connections: Counter[int] = Counter()
        self._events: Counter[int | str] = Counter()
        self._dropped: Counter[int | str] = Counter()
        self._activity: dict[int, float] = {}
        self._shown_events: dict[int | str, int] = {OTHER: 0}
        self._shown_dropped: dict[int | str, int] = {OTHER: 0}

    # --- counting -------------------------------------------------------------------------------------------

    def on_connections(self, tenant: int, change: int) -> None:
        """So many connections of a tenant came, or, if negative, went."""
        if not self._most:
            return
        with self._lock:
            self._connections[tenant] += change
            if self._connections[tenant] <= 0:
                del self._connections[tenant]

    def on_events(self, events: Mapping[int, int], dropped: Mapping[int, int]) -> None:
        """So many events came, and were dropped, by tenant."""
        if not self._most:
            return
        with self._lock:
            _add(self._events, events)
            _add(self._dropped, dropped)

    # --- showing --------------------------------------------------------------------------------------------

    def families(self) -> list[Metric]:
        """The metrics without values."""
        return list(self._families({}, {}, {}))

    def describe(self) -> list[Metric]:
        """See `Collector`."""
        return self.families()

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        if not self._most:
            return
        with self._lock:
            shown = self._choose()
            connections: dict[int | str, int] = {OTHER: 0, **dict.fromkeys(shown, 0)}
            for tenant, number in self._connections.items():
                connections[tenant if tenant in shown else OTHER] += number
            events = self._shown_events = _fold(self._shown_events, self._events, shown)
            dropped = self._shown_dropped = _fold(self._shown_dropped, self._dropped, shown)
        yield from self._families(connections, events, dropped)

    def _choose(self) -> set[int]:
        """The busiest, and what is remembered of how busy tenants were."""
        activity = {tenant: _FADING * before for tenant, before in self._activity.items()}
        for numbers in (self._connections, self._events, self._dropped):
            for tenant, number in numbers.items():
                if isinstance(tenant, int):
                    activity[tenant] = activity.get(tenant, 0.0) + number
        busiest = sorted(activity, key=lambda tenant: (-activity[tenant], tenant))
        self._activity = {
            tenant: activity[tenant] for tenant in busiest[: 2 * self._most] if activity[tenant] > _FADING
        }
        return set(busiest[: self._most])

    @staticmethod
    def _families(
        connections: Mapping[int | str, int], events: Mapping[int | str, int], dropped: Mapping[int | str, int]
    ) -> Iterator[Metric]:
        gauge = GaugeMetricFamily("gateway_tenant_connections", _CONNECTIONS, labels=["tenant"])
        came = CounterMetricFamily("gateway_tenant_events", _EVENTS, labels=["tenant"])
        lost = CounterMetricFamily("gateway_tenant_events_dropped", _DROPPED, labels=["tenant"])
        for family, numbers in ((gauge, connections), (came, events), (lost, dropped)):
            for tenant, number in numbers.items():
                family.add_metric([str(tenant)], number)
            yield family


def _add(counted: Counter[int | str], more: Mapping[int, int]) -> None:
    for tenant, number in more.items():
        known = tenant in counted or len(counted) < MAX_COUNTED
        counted[tenant if known else OTHER] += number


def _fold(before: Mapping[int | str, int], since: Counter[int | str], shown: set[int]) -> dict[int | str, int]:
    totals: dict[int | str, int] = {OTHER: before[OTHER], **{tenant: before.get(tenant, 0) for tenant in sorted(shown)}}
    for tenant, number in since.items():
        totals[tenant if tenant in shown else OTHER] += number
    since.clear()
    return totals
