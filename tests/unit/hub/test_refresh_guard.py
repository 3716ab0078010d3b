from __future__ import annotations

from gateway.hub.refresh import REFRESH_SECONDS, RefreshGuard
from gateway.types import ConnectionId
from tests.support.clock import FakeClock

A, B = ConnectionId(1), ConnectionId(2)


def test_a_connection_refreshes_once_in_ten_seconds() -> None:
    clock = FakeClock()
    guard = RefreshGuard(clock)
    assert guard.allow(A)
    clock.advance(REFRESH_SECONDS - 0.1)
    assert not guard.allow(A)
    assert guard.allow(B), "connections are judged apart"
    clock.advance(0.1)
    assert guard.allow(A), "a refused attempt does not put the next one off"


def test_who_refreshed_long_ago_is_forgotten() -> None:
    clock = FakeClock()
    guard = RefreshGuard(clock)
    for number in range(1_000):
        assert guard.allow(ConnectionId(number))
        clock.advance(1)
    assert len(guard._last) <= REFRESH_SECONDS + 1
