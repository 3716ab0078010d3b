"""What a core counts of every event: how many it reached, how, and how long that took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

BROADCAST_BUCKETS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
"""Seconds: from a room of ten to a queue that has been full for a while."""

END_TO_END_BUCKETS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Seconds: from a good day to an outage of Redis."""

AUDIENCE_BUCKETS: Final = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
"""Recipients of one event."""


class Reach(NamedTuple):
    """Recipients of one event.

    Attributes:
        matched: those who were entitled, and open, when it came to them.
        queued: those of them for whom it had to wait in an outbox: behind what came just before it, because their
            client reads slowly, or until they have resumed.
        lost: those of them whose connection ended over it: gone, or too slow to be kept.
    """

    matched: int = 0
    queued: int = 0
    lost: int = 0


NOBODY: Final = Reach()


class Counted(NamedTuple):
    """A histogram at one moment.

    Attributes:
        bounds: ascending.
        counts: one more than there are bounds: values at most their bound and above the one before; the last above all.
        sum: of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class Measures(NamedTuple):
    """Histograms since start. An event is counted once, when the last owner of connections has passed it.

    What is refused, and what is accepted for a room with nobody in it, is not passed.

    Attributes:
        passing: seconds from an event's acceptance until it was passed to all its recipients.
        end_to_end: the same from its `Submission.origin`, where it has one.
        audience: recipients.
    """

    passing: Counted
    end_to_end: Counted
    audience: Counted


class WatchedCount(NamedTuple):
    """What became of a watched event.

    Attributes:
        number: under which it was watched.
        reach: whom it reached.
        seconds: from its acceptance until it was passed; 0 where nobody was there.
    """

    number: int
    reach: Reach
    seconds: float


class Histogram:
    """Counts values between bounds. Not thread-safe: of whoever has it."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascend; a value on a bound counts below it."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def record(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def counted(self) -> Counted:
        """What was counted."""
        return Counted(self._bounds, tuple(self._counts), self._sum)
