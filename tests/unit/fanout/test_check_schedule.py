from __future__ import annotations

import pytest

from gateway.fanout.check_schedule import CheckSchedule, first_check
from gateway.types import ConnectionId
from tests.support.clock import FakeClock

ONE, TWO = ConnectionId(1), ConnectionId(2)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def schedule(clock: FakeClock) -> CheckSchedule:
    return CheckSchedule(clock)


def test_first_checks_spread_over_the_second_half_of_the_period() -> None:
    firsts = [first_check(ConnectionId(number), 60.0) for number in range(1, 401)]
    assert all(30.0 <= first < 60.0 for first in firsts)
    quarters = [sum(first // 7.5 == quarter for first in firsts) for quarter in range(4, 8)]
    assert all(95 <= count <= 105 for count in quarters), quarters
    assert first_check(ONE, 60.0) == first_check(ONE, 60.0)


def test_it_says_exactly_when_to_ask_again(schedule: CheckSchedule, clock: FakeClock) -> None:
    assert schedule.seconds_to_next() is None
    schedule.begin(ONE, 60.0)
    first = first_check(ONE, 60.0)
    assert schedule.seconds_to_next() == pytest.approx(first)
    clock.advance(first + 5.0)
    assert schedule.seconds_to_next() == 0.0
    assert schedule.pop_due() == (ONE,)
    assert schedule.pop_due() == ()
    assert schedule.seconds_to_next() == pytest.approx(60.0), "from the look that found it, not from when it was due"


def test_a_long_sleep_makes_one_check_of_many(schedule: CheckSchedule, clock: FakeClock) -> None:
    schedule.begin(ONE, 1.0)
    clock.advance(100.0)
    assert schedule.pop_due() == (ONE,)
    clock.advance(0.5)
    assert schedule.pop_due() == ()


def test_beginning_anew_forgets_the_old_period(schedule: CheckSchedule, clock: FakeClock) -> None:
    schedule.begin(ONE, 1.0)
    schedule.begin(TWO, 1.0)
    schedule.begin(ONE, 100.0)
    schedule.begin(TWO, None)
    clock.advance(49.0)
    assert schedule.pop_due() == ()
    clock.advance(51.0)
    assert schedule.pop_due() == (ONE,)


def test_the_forgotten_are_never_due(schedule: CheckSchedule, clock: FakeClock) -> None:
    schedule.begin(ONE, 1.0)
    schedule.forget(ONE)
    schedule.forget(TWO)
    clock.advance(10.0)
    assert schedule.pop_due() == ()
