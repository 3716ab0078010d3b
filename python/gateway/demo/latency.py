"""How long events took from the back end's publish to the client."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

# Enough for a steady 99th percentile, and small enough to sort once a second.
WINDOW = 5_000


class Quantiles(NamedTuple):
    """Half and 99 of 100 deliveries took no longer than this, in seconds."""

    p50: float
    p99: float


class Latency:
    """The latest `WINDOW` delays. For one thread."""

    def __init__(self) -> None:
        self._delays: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Remember one delivery's delay."""
        self._delays.append(seconds)

    def quantiles(self) -> Quantiles | None:
        """By nearest rank; None while nothing has arrived."""
        if not self._delays:
            return None
        ranked = sorted(self._delays)
        count = len(ranked)
        # Nearest rank is ceil(q * n), counted from 1; in whole numbers, so that no rounding error shifts a rank.
        return Quantiles(ranked[-(-count * 50 // 100) - 1], ranked[-(-count * 99 // 100) - 1])
