"""What became of the last critical events; the specification of `report.rs`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gateway.fanout.base import MAX_REPORTS, EventReport, Reach

if TYPE_CHECKING:
    from gateway.types import Clock, Room


class RecentReports:
    """Counts for events under way, and the reports of the last ones. For the event loop's thread alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._under_way: dict[int, tuple[float, Reach]] = {}  # since when, and what became of it so far
        self._kept: deque[EventReport] = deque(maxlen=MAX_REPORTS)

    def begin(self, ticket: int) -> None:
        """An event was admitted that is to be reported on."""
        self._under_way[ticket] = self._clock.monotonic(), Reach()

    def reached(self, ticket: int, reach: Reach) -> None:
        """Add what was done with it."""
        if (found := self._under_way.get(ticket)) is not None:
            since, before = found
            self._under_way[ticket] = since, Reach(*(one + other for one, other in zip(before, reach, strict=True)))

    def finish(self, ticket: int, room: Room, position: str | None) -> None:
        """Nobody is to be reached any more."""
        found = self._under_way.pop(ticket, None)
        if found is not None and position is not None:
            since, reach = found
            now = self._clock.monotonic()
            self._kept.append(EventReport(room, position, reach, now - since, self._clock.time()))

    def find(self, event_id: str) -> list[EventReport]:
        """See `FanoutCore.reports`."""
        return [report for report in self._kept if report.position.partition("/")[0] == event_id]
