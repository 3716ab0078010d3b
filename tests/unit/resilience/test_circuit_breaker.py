from __future__ import annotations

import asyncio

import pytest

from gateway.errors import BrokerError, CircuitOpenError
from gateway.resilience.circuit_breaker import BreakerState, CircuitBreaker
from tests.support.clock import FakeClock

CLOSED, OPEN, HALF_OPEN = BreakerState


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def changes() -> list[tuple[str, BreakerState]]:
    return []


@pytest.fixture
def breaker(clock: FakeClock, changes: list[tuple[str, BreakerState]]) -> CircuitBreaker:
    return CircuitBreaker("commands", clock, on_change=lambda duty, state: changes.append((duty, state)))


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(BrokerError, match="boom"), breaker.guard(BrokerError):
            raise BrokerError("boom")


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.guard(BrokerError):
        pass


def open_up(breaker: CircuitBreaker) -> None:
    fail(breaker, 5)
    assert breaker.state is OPEN


def test_it_opens_at_the_fifth_failure_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    assert breaker.state is CLOSED
    fail(breaker)
    assert breaker.state is OPEN


def test_a_success_begins_the_count_anew(breaker: CircuitBreaker) -> None:
    fail(breaker, 4)
    succeed(breaker)
    fail(breaker, 4)
    assert breaker.state is CLOSED


def test_open_it_refuses_without_running_the_block_and_says_for_how_long(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    open_up(breaker)
    clock.advance(10)
    ran = False
    with pytest.raises(CircuitOpenError, match=r"\(commands\) failed 5 times in a row.* another 20 s"):  # noqa: SIM117
        with breaker.guard(BrokerError):
            ran = True
    assert not ran
    assert breaker.retry_after() == 20


def test_after_thirty_seconds_it_lets_three_trials_through_at_once_and_no_fourth(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    open_up(breaker)
    clock.advance(29.9)
    assert breaker.state is OPEN
    clock.advance(0.1)
    assert breaker.state is HALF_OPEN
    trials = [breaker.acquire() for _ in range(3)]
    with pytest.raises(CircuitOpenError, match="3 trials are under way"):
        breaker.acquire()
    for trial in trials:
        trial.succeed()
    assert breaker.state is CLOSED


def test_it_closes_after_three_trials_and_not_after_two(breaker: CircuitBreaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.advance(30)
    succeed(breaker)
    succeed(breaker)
    assert breaker.state is HALF_OPEN
    succeed(breaker)
    assert breaker.state is CLOSED
    fail(breaker, 4)
    assert breaker.state is CLOSED, "failures before the outage must not count any more"


def test_one_failed_trial_opens_it_for_another_thirty_seconds(breaker: CircuitBreaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.advance(30)
    succeed(breaker)
    fail(breaker)
    assert breaker.state is OPEN
    assert breaker.retry_after() == 30


def test_what_is_not_counted_is_neither_success_nor_failure(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, 4)
    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error), breaker.guard(BrokerError):
            raise error
    fail(breaker)
    assert breaker.state is OPEN, "an uncounted error must not begin the count anew"
    clock.advance(30)
    for _ in range(10):  # more than there are trials: each must give its place back
        with pytest.raises(asyncio.CancelledError), breaker.guard(BrokerError):
            raise asyncio.CancelledError
    assert breaker.state is HALF_OPEN


def test_a_call_of_an_earlier_state_is_not_counted(breaker: CircuitBreaker, clock: FakeClock) -> None:
    slow = [breaker.acquire() for _ in range(4)]
    open_up(breaker)
    clock.advance(30)
    slow[0].fail()
    assert breaker.state is HALF_OPEN
    for late in slow[1:]:
        late.succeed()
    assert breaker.state is HALF_OPEN


def test_a_permit_counts_its_first_outcome_only(breaker: CircuitBreaker, clock: FakeClock) -> None:
    permit = breaker.acquire()
    permit.succeed()
    for _ in range(5):
        permit.fail()
    assert breaker.state is CLOSED
    open_up(breaker)
    clock.advance(30)
    trial = breaker.acquire()
    trial.release()
    trial.release()
    assert [breaker.acquire() for _ in range(3)]
    with pytest.raises(CircuitOpenError):
        breaker.acquire()


def test_each_change_of_state_is_told_once(
    breaker: CircuitBreaker, clock: FakeClock, changes: list[tuple[str, BreakerState]]
) -> None:
    open_up(breaker)
    clock.advance(30)
    for _ in range(3):
        succeed(breaker)
    assert changes == [("commands", OPEN), ("commands", HALF_OPEN), ("commands", CLOSED)]


@pytest.mark.parametrize("numbers", [{"failures": 0}, {"trials": 0}, {"open_seconds": -1.0}])
def test_numbers_that_make_no_breaker_are_refused(clock: FakeClock, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        CircuitBreaker("commands", clock, **numbers)
