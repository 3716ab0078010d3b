"""A clock that tests move."""

from __future__ import annotations


class FakeClock:
    """Keeps `gateway.types.Clock`; stands still until it is told otherwise."""

    def __init__(self, monotonic: float = 1_000.0, time: float = 1_700_000_000.0) -> None:
        self._monotonic = monotonic
        self._time = time

    def monotonic(self) -> float:
        return self._monotonic

    def time(self) -> float:
        return self._time

    def advance(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self._monotonic += seconds
        self._time += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock alone, as NTP does."""
        self._time += seconds
