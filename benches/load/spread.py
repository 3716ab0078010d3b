"""The middle of some values and how far they lie apart: what a noisy machine lets one say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of at least one value."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Raises ValueError without a value."""
        if not values:
            raise ValueError("there is no value to take the median of")
        return cls(median(values), min(values), max(values))

    @classmethod
    def of_ratios(cls, values: Sequence[float], base: Sequence[float]) -> Self:
        """Of the ratios round by round: what drifts between rounds is the same for both, and falls out.

        Raises:
            ValueError: the numbers of rounds differ, or there is none.
        """
        return cls.of([value / other for value, other in zip(values, base, strict=True)])
