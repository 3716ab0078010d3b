from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.resilience.jitter import DecorrelatedJitter


def highest(low: float, high: float) -> float:
    return high


def test_a_wait_is_drawn_between_base_and_three_times_the_wait_before() -> None:
    asked: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        asked.append((low, high))
        return low + 1

    jitter = DecorrelatedJitter(1, 100, draw)
    assert [jitter.next(), jitter.next()] == [2, 2]
    assert asked == [(1, 3), (1, 6)]


def test_the_cap_holds_and_the_wait_that_it_cut_is_the_one_that_grows() -> None:
    jitter = DecorrelatedJitter(1, 10, highest)
    assert [jitter.next() for _ in range(4)] == [3, 9, 10, 10]


def test_reset_begins_again_at_base() -> None:
    jitter = DecorrelatedJitter(1, 100, highest)
    jitter.next()
    jitter.next()
    jitter.reset()
    assert jitter.next() == 3


@given(base=st.floats(0.001, 10), factor=st.floats(1, 1_000))
def test_with_the_real_generator_every_wait_is_between_base_and_cap(base: float, factor: float) -> None:
    cap = base * factor
    jitter = DecorrelatedJitter(base, cap)
    assert all(base <= jitter.next() <= cap for _ in range(50))


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (-1, 1), (2, 1)])
def test_bounds_that_make_no_range_are_refused(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="0 < base <= cap"):
        DecorrelatedJitter(base, cap)
