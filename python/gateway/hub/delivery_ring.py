"""What became of the last critical events on this node."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, NamedTuple

from gateway.fanout.base import BroadcastReport, NullObserver, Submission
from gateway.fanout.measures import Reach
from gateway.protocol.positions import Position
from gateway.types import Room

MAX_EVENTS: Final = 10_000
"""Events that are remembered, some 400 B each."""


class Passed(NamedTuple):
    """What became of one event.

    Attributes:
        room: its room.
        position: its position.
        reach: its recipients. Who is queued may still be lost with the connection.
        accepted: Unix seconds of its acceptance: it is for whoever was there then.
        seconds: from then until it was passed.
    """

    room: Room
    position: Position
    reach: Reach
    accepted: float
    seconds: float


class DeliveryRing(NullObserver):
    """Keeps `fanout.base.BroadcastObserver`: watches critical events, and remembers the last ones. Event loop only.

    Payloads are not kept: they stand in the rooms' rings and in history.
    """

    def __init__(self, *, limit: int = MAX_EVENTS) -> None:
        self._limit = limit
        self._passed: OrderedDict[str, Passed] = OrderedDict()

    def watches(self, event: Submission) -> bool:
        """See `BroadcastObserver`."""
        return event.position is not None

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`. An id that comes again, after a failover, counts anew."""
        event_id, position = report.event.event_id, report.event.position
        if event_id is None or position is None:
            return
        self._passed.pop(event_id, None)
        self._passed[event_id] = Passed(
            report.event.room, Position(position), report.reach, report.accepted, report.seconds
        )
        if len(self._passed) > self._limit:
            self._passed.popitem(last=False)

    def find(self, event_id: str) -> Passed | None:
        """What became of the event with this id; None where it is not among the last ones."""
        return self._passed.get(event_id)
