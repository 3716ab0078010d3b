"""Quantiles by nearest rank, over a window."""

from __future__ import annotations

from gateway.demo.latency import WINDOW, Latency


def test_nothing_has_no_quantiles() -> None:
    assert Latency().quantiles() is None


def test_a_single_delay_is_every_quantile() -> None:
    latency = Latency()
    latency.add(0.5)
    assert latency.quantiles() == (0.5, 0.5)


def test_of_a_hundred_the_fiftieth_and_the_ninety_ninth() -> None:
    latency = Latency()
    for delay in reversed(range(1, 101)):
        latency.add(float(delay))
    assert latency.quantiles() == (50.0, 99.0)


def test_old_delays_leave_the_window() -> None:
    latency = Latency()
    latency.add(1000.0)
    for _ in range(WINDOW):
        latency.add(1.0)
    assert latency.quantiles() == (1.0, 1.0)
