"""Many deadlines, of which the next is always at hand."""

from __future__ import annotations

import heapq

from gateway.types import ConnectionId

_SLACK = 64
"""Stale heap entries that are not worth a clean-up."""


class Deadlines:
    """At most one deadline per connection, in seconds of whichever clock the caller goes by. Not thread-safe.

    A binary heap with lazy renewal: a deadline that is only put off, as a heartbeat's is by every message, costs one
    dictionary write; its heap entry is moved on when its old time comes. So nothing is ever scanned.
    """

    __slots__ = ("_heap", "_queued", "_when")

    def __init__(self) -> None:
        self._when: dict[ConnectionId, float] = {}  # the truth
        self._queued: dict[ConnectionId, float] = {}  # the time of the heap entry that counts, never after the truth
        self._heap: list[tuple[float, ConnectionId]] = []

    def __len__(self) -> int:
        return len(self._when)

    def set(self, connection: ConnectionId, when: float) -> None:
        """Set or replace a connection's deadline."""
        self._when[connection] = when
        queued = self._queued.get(connection)
        if queued is None or when < queued:
            self._push(connection, when)

    def cancel(self, connection: ConnectionId) -> None:
        """Forget a connection's deadline, if it has one."""
        self._when.pop(connection, None)
        self._queued.pop(connection, None)
        # Long deadlines of connections that left early would otherwise pile up until their time.
        if len(self._heap) > 2 * len(self._when) + _SLACK:
            self._heap = [(when, key) for key, when in self._queued.items()]
            heapq.heapify(self._heap)

    def pop_due(self, now: float) -> list[ConnectionId]:
        """Take out those whose time has come, earliest first."""
        due: list[ConnectionId] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            queued, connection = heapq.heappop(heap)
            if self._queued.get(connection) != queued:
                continue  # cancelled, or replaced by an earlier entry
            when = self._when[connection]
            if when > now:
                self._push(connection, when)
                continue
            del self._when[connection], self._queued[connection]
            due.append(connection)
        return due

    def next(self) -> float | None:
        """A time at which to call `pop_due` again: never after the earliest deadline, perhaps before it."""
        return self._heap[0][0] if self._heap else None

    def _push(self, connection: ConnectionId, when: float) -> None:
        self._queued[connection] = when
        heapq.heappush(self._heap, (when, connection))
