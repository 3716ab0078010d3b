from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.keyed_rate import KeyedRate
from tests.support.clock import FakeClock


def test_a_burst_passes_and_then_the_rate() -> None:
    clock = FakeClock()
    rate = KeyedRate[str](2, 4, clock)
    assert [rate.take("a") for _ in range(5)] == [0, 0, 0, 0, pytest.approx(0.5)]
    clock.advance(0.25)
    assert rate.take("a") == pytest.approx(0.25), "being refused has cost nothing"
    clock.advance(0.25)
    assert [rate.take("a"), rate.take("a")] == [0, pytest.approx(0.5)]


def test_keys_do_not_share() -> None:
    rate = KeyedRate[str](1, 1, FakeClock())
    assert [rate.take("a"), rate.take("b"), rate.take("a")] == [0, 0, pytest.approx(1)]


def test_nought_is_unlimited_and_remembers_nobody() -> None:
    rate = KeyedRate[int](0, 1, FakeClock())
    assert not any(rate.take(1) for _ in range(10_000))
    assert len(rate) == 0


def test_full_buckets_are_forgotten() -> None:
    clock = FakeClock()
    rate = KeyedRate[int](10, 10, clock)
    for key in range(100):
        rate.take(key)
    clock.advance(1)
    rate.take(100)
    assert len(rate) == 1


def test_memory_is_bounded_and_the_busiest_stay() -> None:
    rate = KeyedRate[int](1, 2, FakeClock(), max_keys=10)
    for key in range(1, 1_000):
        rate.take(key)
        rate.take(0) if key < 3 else None
    assert len(rate) == 10
    assert rate.take(999) == 0
    assert rate.take(999) > 0


@given(
    rate=st.floats(0.5, 100),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_span_of_time_holds_more_than_its_rate_and_one_burst(rate: float, burst: int, pauses: list[float]) -> None:
    clock = FakeClock()
    limit = KeyedRate[str](rate, burst, clock)
    taken: list[float] = []
    for pause in pauses:
        clock.advance(pause)
        wait = limit.take("a")
        if not wait:
            taken.append(clock.monotonic())
        else:
            assert 0 < wait <= 1 / rate + 1e-6
    for first, start in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + (taken[last] - start) * rate + 1e-3


def test_several_at_once_are_allowed_together_or_not_at_all() -> None:
    clock = FakeClock()
    rate: KeyedRate[str] = KeyedRate(10, 20, clock)
    assert rate.take("a", 15) == 0.0
    assert rate.take("a", 6) == pytest.approx(0.1)
    assert rate.take("a", 5) == 0.0, "what was refused cost nothing"
    clock.advance(2.0)
    assert rate.take("a", 20) == 0.0
    assert rate.take("b", 21) > 0
