"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable


class DecorrelatedJitter:
    """Growing, random waits, so that many nodes that lost one server do not come back in step.

    The algorithm is "decorrelated jitter" of Marc Brooker, *Exponential Backoff And Jitter* (AWS Architecture Blog,
    2015): `wait = min(cap, uniform(base, 3 * previous wait))`.

    One retry loop owns one instance; it is not thread-safe.

    Args:
        base: the shortest wait, in seconds; above 0.
        cap: the longest wait, in seconds; at least `base`.
        uniform: draws a float between two bounds; tests hand in one that they foresee.

    Raises:
        ValueError: `base` or `cap` is out of range.
    """

    def __init__(
        self,
        base: float = 0.1,
        cap: float = 30.0,
        # Spreads load, guards no secret: the fast generator is the right one.
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        if not 0 < base <= cap:
            raise ValueError(f"base and cap must be 0 < base <= cap, got base={base} and cap={cap}")
        self._base = base
        self._cap = cap
        self._uniform = uniform
        self._previous = base

    def next(self) -> float:
        """The next wait, in seconds, from `base` to `cap`."""
        self._previous = min(self._cap, self._uniform(self._base, self._previous * 3))
        return self._previous

    def reset(self) -> None:
        """An attempt succeeded: begin again at `base`."""
        self._previous = self._base
