"""How often, and how long in between, the client tries to come back."""

from __future__ import annotations

from collections.abc import Callable

from gateway.client.timing import Timing


class Backoff:
    """Counts the attempts since a connection held, and draws the waits between them. For one event loop.

    The algorithm is "full jitter" of Marc Brooker, *Exponential Backoff And Jitter* (AWS Architecture Blog, 2015):
    `wait = uniform(0, min(longest, first * 2 ** attempt))`.

    Args:
        timing: `first_wait`, `longest_wait` and `attempts`.
        uniform: draws from [0, 1).
    """

    def __init__(self, timing: Timing, uniform: Callable[[], float]) -> None:
        self._timing = timing
        self._uniform = uniform
        self.attempts = 0

    def next(self) -> float | None:
        """Count one more attempt: seconds to wait before it; None: there have been enough."""
        if self.attempts >= self._timing.attempts:
            return None
        # The exponent is bounded: 2.0 ** 1100 would overflow.
        ceiling = min(self._timing.longest_wait, self._timing.first_wait * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return self._uniform() * ceiling

    def soon(self) -> float:
        """A wait like that before the first attempt, which counts as none."""
        return self._uniform() * self._timing.first_wait

    def reset(self) -> None:
        """A connection has held."""
        self.attempts = 0
