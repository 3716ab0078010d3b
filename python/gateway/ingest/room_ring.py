"""The last critical events of a room that this node has passed on."""

from __future__ import annotations

from collections import OrderedDict

from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import ZERO, Position, entry_id

RING_EVENTS = 256
"""Events that are recognised when they come again. A relay feeds its last minute again after a failover; a room that
has more events in that time reads them from history, which costs a question and is right too."""

NODE_RING_BYTES = 64 * 1024 * 1024
"""Payloads that all rings of a node keep together."""


class RingBudget:
    """Payload bytes in the rings of one node; for one event loop.

    Args:
        limit: bytes above which a ring that takes an event lets go of its oldest payloads.
    """

    def __init__(self, limit: int = NODE_RING_BYTES) -> None:
        self._limit = limit
        self.used = 0

    @property
    def exceeded(self) -> bool:
        """Whether the rings hold too much."""
        return self.used > self._limit


class RoomRing:
    """Recognises the room's last `RING_EVENTS` events, and gives the events after a position while it has them all.

    What is asked is always whether *this* event has passed, by position (which holds a hash of the payload) and, as
    long as it is kept, by payload. Ids are never compared: after a failover a newer event may have a smaller one.

    For one event loop; not thread-safe.

    Args:
        budget: shared by the rings of a node. Where it is exceeded the ring that grows gives its oldest payloads up;
            it recognises their events all the same.
    """

    def __init__(self, budget: RingBudget) -> None:
        self._budget = budget
        # By position, oldest first. None: the event is recognised, but cannot be given any more.
        self._events: OrderedDict[Position, CriticalEvent | None] = OrderedDict()
        self._kept = 0  # how many at the end are not None

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, event: CriticalEvent) -> bool:
        if event.position not in self._events:
            return False
        kept = self._events[event.position]
        return kept is None or kept.payload == event.payload

    def holds(self, position: Position) -> bool:
        """Whether the event at this position is among the last ones."""
        return position in self._events

    def event(self, event_id: str) -> CriticalEvent | None:
        """The event with this id, as long as its payload is kept; the last one, where two had it."""
        kept = (event for position, event in reversed(self._events.items()) if entry_id(position) == event_id)
        return next((event for event in kept if event is not None), None)

    def precedes(self, event_id: str, position: Position) -> bool | None:
        """Whether the event with this id is the one at a position or was passed on before it.

        None where one of them is not among the last events.
        """
        if position not in self._events:
            return None
        found = None
        for at, each in enumerate(self._events):
            if entry_id(each) == event_id:
                found = at
            if each == position:
                here = at
        return None if found is None else found <= here

    def push(self, event: CriticalEvent) -> None:
        """Take the next event of the room; one that is there already moves to the end."""
        self._drop(event.position)
        self._events[event.position] = event
        self._kept += 1
        self._budget.used += len(event.payload)
        if len(self._events) > RING_EVENTS:
            self._drop(next(iter(self._events)))
        while self._budget.exceeded and self._kept:
            self._let_go()

    def take_back(self, event: CriticalEvent) -> None:
        """Forget an event that was pushed and then not passed on after all."""
        self._drop(event.position)

    def break_off(self) -> None:
        """Something may be missing behind the last event: nothing before here can be given any more."""
        while self._kept:
            self._let_go()

    def clear(self) -> None:
        """Forget everything."""
        self.break_off()
        self._events.clear()

    def after(self, position: Position) -> list[CriticalEvent] | None:
        """The events after a position, oldest first; None when the ring does not reach back, and Redis must be asked.

        `ZERO` is always asked of Redis: only the head can tell whether a room never had an event.
        """
        if position == ZERO:
            return None
        newest_first: list[CriticalEvent] = []
        for event in reversed(self._events.values()):
            if event is None:
                return None
            if event.position == position:
                return newest_first[::-1]
            newest_first.append(event)
            if event.prev == position:
                return newest_first[::-1]
        return None

    def _drop(self, position: Position) -> None:
        event = self._events.pop(position, None)
        if event is not None:
            self._kept -= 1
            self._budget.used -= len(event.payload)

    def _let_go(self) -> None:
        """Give up the oldest payload that is kept."""
        position = next(position for position, event in self._events.items() if event is not None)
        event = self._events[position]
        assert event is not None  # noqa: S101 - chosen so in the line above
        self._events[position] = None
        self._kept -= 1
        self._budget.used -= len(event.payload)
