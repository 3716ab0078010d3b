from __future__ import annotations

import pytest

from gateway.fanout.heartbeat import HeartbeatTracker
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import ConnectionId
from tests.support.clock import FakeClock

ONE, TWO = ConnectionId(1), ConnectionId(2)
SILENT = WSCloseCode.GOING_AWAY
EXPIRED = WSCloseCode.AUTH_FAILED


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tracker(clock: FakeClock) -> HeartbeatTracker:
    return HeartbeatTracker(clock, 60.0)


def test_due_after_the_timeout_and_not_before(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.seen(ONE)
    clock.advance(59.9)
    assert tracker.pop_due() == []
    clock.advance(0.1)
    assert tracker.pop_due() == [(ONE, SILENT)]
    assert tracker.pop_due() == []


def test_every_message_begins_the_silence_anew(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.seen(ONE)
    for _ in range(10):
        clock.advance(45.0)
        assert tracker.pop_due() == []
        tracker.seen(ONE)
    clock.advance(60.0)
    assert tracker.pop_due() == [(ONE, SILENT)]


def test_expires_exactly_by_the_wall_clock(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.seen(ONE)
    tracker.expire_at(ONE, clock.time() + 10.0)
    clock.advance(9.0)
    assert tracker.pop_due() == []
    clock.step_wall(1.0)
    assert tracker.pop_due() == [(ONE, EXPIRED)]


def test_an_expiry_can_be_put_off_and_taken_back(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.expire_at(ONE, clock.time() + 10.0)
    tracker.expire_at(TWO, clock.time() + 10.0)
    tracker.expire_at(ONE, clock.time() + 20.0)
    tracker.expire_at(TWO, None)
    clock.advance(10.0)
    assert tracker.pop_due() == []
    clock.advance(10.0)
    assert tracker.pop_due() == [(ONE, EXPIRED)]


def test_an_expiry_can_be_brought_forward(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.expire_at(ONE, clock.time() + 100.0)
    tracker.expire_at(ONE, clock.time() + 10.0)
    assert tracker.seconds_to_next() == pytest.approx(10.0)
    clock.advance(10.0)
    assert tracker.pop_due() == [(ONE, EXPIRED)]
    clock.advance(1_000.0)
    assert tracker.pop_due() == []


def test_who_is_silent_and_expired_is_due_once_as_expired(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.seen(ONE)
    tracker.expire_at(ONE, clock.time() + 30.0)
    clock.advance(300.0)
    assert tracker.pop_due() == [(ONE, EXPIRED)]
    assert tracker.pop_due() == []


def test_the_forgotten_are_never_due(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    tracker.seen(ONE)
    tracker.expire_at(ONE, clock.time() + 1.0)
    tracker.forget(ONE)
    clock.advance(1_000.0)
    assert tracker.pop_due() == []
    assert tracker.seconds_to_next() is None


def test_without_a_timeout_nobody_is_silent(clock: FakeClock) -> None:
    tracker = HeartbeatTracker(clock, 0.0)
    tracker.seen(ONE)
    clock.advance(1e6)
    assert tracker.pop_due() == []


def test_says_how_long_to_sleep(tracker: HeartbeatTracker, clock: FakeClock) -> None:
    assert tracker.seconds_to_next() is None
    tracker.seen(ONE)
    assert tracker.seconds_to_next() == pytest.approx(60.0)
    tracker.expire_at(TWO, clock.time() + 5.0)
    assert tracker.seconds_to_next() == pytest.approx(5.0)
    clock.advance(10.0)
    assert tracker.seconds_to_next() == 0.0
