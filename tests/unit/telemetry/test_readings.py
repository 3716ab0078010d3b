"""The metrics' values inside the process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from gateway.telemetry.readings import Readings


def test_values_are_read_by_name_and_by_label() -> None:
    registry = CollectorRegistry()
    drops = Counter("drops_total", "-", ("source", "reason"), registry=registry)
    drops.labels("a", "full").inc(2)
    drops.labels("b", "full").inc(3)
    drops.labels("b", "bad").inc()
    Gauge("lag", "-", registry=registry).set(7)
    readings = Readings(registry)
    assert readings.of("lag") == 7
    assert readings.of("drops_total") == 6
    assert readings.by("drops_total", "reason") == {"full": 5, "bad": 1}
    assert readings.by("drops_total", "source") == {"a": 2, "b": 4}
    assert readings.of("nothing") is None
    assert readings.by("nothing", "x") == {}
    assert readings.by("lag", "x") == {}
