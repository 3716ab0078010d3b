"""Whose right to be here has to be checked again, and when."""

from __future__ import annotations

from gateway.fanout.deadlines import Deadlines
from gateway.types import Clock, ConnectionId

_SPREADER = 2_654_435_769
"""2^32 divided by the golden ratio, to the nearest odd number: Knuth's multiplicative hash (TAOCP 3, §6.4). It lays ids
in a row evenly over a range, and the native core uses the same."""


def first_check(connection: ConnectionId, every: float) -> float:
    """Seconds from the attach to the first check, from half the period to the whole.

    Thousands who come back together after a restart would otherwise be checked together for ever.
    """
    return every / 2 * (1 + connection * _SPREADER % 2**32 / 2**32)


class CheckSchedule:
    """Says of each connection in turn that it is to be checked. Event loop only. Monotonic clock."""

    __slots__ = ("_clock", "_deadlines", "_every")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._deadlines = Deadlines()
        self._every: dict[ConnectionId, float] = {}

    def begin(self, connection: ConnectionId, every: float | None) -> None:
        """Begin a connection's checks anew, `every` so many seconds; None for never."""
        self.forget(connection)
        if every is not None:
            self._every[connection] = every
            self._deadlines.set(connection, self._clock.monotonic() + first_check(connection, every))

    def forget(self, connection: ConnectionId) -> None:
        """The connection is closing: it is never due again."""
        self._every.pop(connection, None)
        self._deadlines.cancel(connection)

    def pop_due(self) -> tuple[ConnectionId, ...]:
        """The connections that are due now, each once; their next check counts from now."""
        now = self._clock.monotonic()
        due = self._deadlines.pop_due(now)
        for connection in due:
            self._deadlines.set(connection, now + self._every[connection])
        return tuple(due)

    def seconds_to_next(self) -> float | None:
        """Seconds after which to ask `pop_due` again, never too late; None when nothing is to come."""
        when = self._deadlines.next()
        return None if when is None else max(0.0, when - self._clock.monotonic())
