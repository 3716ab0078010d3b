from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from gateway.errors import BrokerError, CircuitOpenError
from gateway.resilience.circuit_breaker import FIRST_OPEN_SECONDS, BreakerState, CircuitBreaker
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


def fail(breaker: CircuitBreaker, times: int = 1, *, background: bool = False) -> None:
    for _ in range(times):
        with pytest.raises(BrokerError, match="boom"), breaker.guard(BrokerError, background=background):
            raise BrokerError("boom")


def succeed(breaker: CircuitBreaker, *, background: bool = False) -> None:
    with breaker.guard(BrokerError, background=background):
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
    clock.advance(0.25)
    ran = False
    with pytest.raises(CircuitOpenError, match=r"\(commands\) keeps failing .* another 0\.8 s"):  # noqa: SIM117
        with breaker.guard(BrokerError):
            ran = True
    assert not ran
    assert breaker.retry_after() == 0.75


def test_after_a_second_it_lets_three_trials_through_at_once_and_no_fourth(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    open_up(breaker)
    clock.advance(0.75)
    assert breaker.state is OPEN
    clock.advance(0.25)
    assert breaker.state is HALF_OPEN
    trials = [breaker.acquire() for _ in range(3)]
    with pytest.raises(CircuitOpenError, match="3 trials are under way"):
        breaker.acquire()
    for trial in trials:
        trial.succeed()
    assert breaker.state is CLOSED


def test_it_closes_after_three_trials_and_not_after_two(breaker: CircuitBreaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.advance(1)
    succeed(breaker)
    succeed(breaker)
    assert breaker.state is HALF_OPEN
    succeed(breaker)
    assert breaker.state is CLOSED
    fail(breaker, 4)
    assert breaker.state is CLOSED, "failures before the outage must not count any more"


def test_each_failed_trial_opens_it_for_twice_as_long_up_to_the_longest(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    open_up(breaker)
    times = []
    for _ in range(8):
        times.append(breaker.retry_after())
        clock.advance(breaker.retry_after())
        succeed(breaker)
        fail(breaker)
        assert breaker.state is OPEN
    assert times == [1, 2, 4, 8, 16, 30, 30, 30]


def test_trials_that_fail_together_are_one_failed_trial(breaker: CircuitBreaker, clock: FakeClock) -> None:
    open_up(breaker)
    clock.advance(1)
    for trial in [breaker.acquire() for _ in range(3)]:
        trial.fail()
    assert breaker.retry_after() == 2


def test_once_it_has_closed_it_opens_for_a_second_again(breaker: CircuitBreaker, clock: FakeClock) -> None:
    open_up(breaker)
    for _ in range(4):
        clock.advance(breaker.retry_after())
        fail(breaker)
    clock.advance(breaker.retry_after())
    for _ in range(3):
        succeed(breaker)
    open_up(breaker)
    assert breaker.retry_after() == FIRST_OPEN_SECONDS


@pytest.mark.parametrize("longest", [0.0, 0.5, 5.0])
def test_it_is_never_open_for_longer_than_it_may(clock: FakeClock, longest: float) -> None:
    breaker = CircuitBreaker("live", clock, failures=1, open_seconds=longest)
    for _ in range(5):
        fail(breaker)
        assert breaker.retry_after() <= longest
        clock.advance(breaker.retry_after())
    assert breaker.state is HALF_OPEN


@pytest.mark.parametrize("away", [0.1, 2.0, 10.0])
def test_a_server_that_is_back_is_asked_again_after_a_second_more_than_it_was_away(
    breaker: CircuitBreaker, clock: FakeClock, away: float
) -> None:
    """Somebody asks ten times a second."""
    began = clock.monotonic()
    while (refused := clock.monotonic() < began + away) or breaker.state is not CLOSED:
        with suppress(CircuitOpenError):
            permit = breaker.acquire()
            if refused:
                permit.fail()
            else:
                permit.succeed()
        clock.advance(0.1)
    # Two tries more for the other trials, and the one that is just missed at either end.
    assert clock.monotonic() - began <= 2 * away + FIRST_OPEN_SECONDS + 0.5


def test_what_nobody_waits_for_opens_nothing_and_keeps_nobody_away(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, 100, background=True)
    assert breaker.state is CLOSED
    fail(breaker, 4)
    fail(breaker, background=True)
    assert breaker.state is CLOSED
    fail(breaker)
    assert breaker.state is OPEN, "and it does not begin the count anew either"
    clock.advance(1)
    fail(breaker, 100, background=True)
    assert breaker.state is HALF_OPEN, "more than there are trials: each gave its place back"
    fail(breaker)
    assert breaker.retry_after() == 2


def test_what_nobody_waits_for_is_refused_like_the_rest_and_is_as_good_a_trial(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    open_up(breaker)
    with pytest.raises(CircuitOpenError), breaker.guard(BrokerError, background=True):
        pytest.fail("an open breaker lets nothing through")
    clock.advance(1)
    for _ in range(3):
        succeed(breaker, background=True)
    assert breaker.state is CLOSED


def test_what_is_not_counted_is_neither_success_nor_failure(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, 4)
    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error), breaker.guard(BrokerError):
            raise error
    fail(breaker)
    assert breaker.state is OPEN, "an uncounted error must not begin the count anew"
    clock.advance(1)
    for _ in range(10):  # more than there are trials: each must give its place back
        with pytest.raises(asyncio.CancelledError), breaker.guard(BrokerError):
            raise asyncio.CancelledError
    assert breaker.state is HALF_OPEN


def test_a_call_of_an_earlier_state_is_not_counted(breaker: CircuitBreaker, clock: FakeClock) -> None:
    slow = [breaker.acquire() for _ in range(4)]
    open_up(breaker)
    clock.advance(1)
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
    clock.advance(1)
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
    clock.advance(1)
    for _ in range(3):
        succeed(breaker)
    assert changes == [("commands", OPEN), ("commands", HALF_OPEN), ("commands", CLOSED)]


@pytest.mark.parametrize("numbers", [{"failures": 0}, {"trials": 0}, {"open_seconds": -1.0}])
def test_numbers_that_make_no_breaker_are_refused(clock: FakeClock, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a breaker needs"):
        CircuitBreaker("commands", clock, **numbers)
