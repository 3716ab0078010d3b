"""Watched events: from the observer who asks to the report of what became of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from gateway.fanout.base import BroadcastObserver, BroadcastReport, FanoutCore, Submission
from gateway.types import Clock


class BroadcastWatch:
    """Gives numbers to the events that the observer watches, and tells it of their end. Event loop only.

    It remembers an event only while that is under way, so admission bounds it like everything else that is.
    """

    def __init__(self, core: FanoutCore, observer: BroadcastObserver, clock: Clock) -> None:
        self._core = core
        self._observer = observer
        self._clock = clock
        self._numbers = itertools.count(1)
        self._watched: dict[int, tuple[Submission, float]] = {}

    def begin(self, items: Sequence[Submission]) -> Sequence[int]:
        """A number for each item that is to be submitted, 0 for one that is not watched; empty if none is."""
        watches = self._observer.watches
        now = self._clock.time()
        numbers: list[int] = []
        for at, item in enumerate(items):
            if watches(item):
                numbers.extend(itertools.repeat(0, at - len(numbers)))
                number = next(self._numbers)
                numbers.append(number)
                self._watched[number] = item, now
        return numbers

    def submitted(self, numbers: Sequence[int], answers: Sequence[int | None]) -> None:
        """The core has answered to the items: what it refused has come to its end."""
        for number, answer in zip(numbers, answers, strict=False):
            if number and answer is None:
                del self._watched[number]
        self.tell()

    def tell(self) -> None:
        """Tell of those that have come to their end."""
        if not self._watched:
            return
        for number, reach, seconds in self._core.reports():
            event, accepted = self._watched.pop(number)
            self._observer.on_passed(BroadcastReport(event, reach, seconds, accepted))
