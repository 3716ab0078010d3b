"""Which connections have been silent for too long, and whose token has expired (the seed's `HeartbeatTracker`)."""

from __future__ import annotations

from gateway.fanout.deadlines import Deadlines
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import Clock, ConnectionId


class HeartbeatTracker:
    """Silence on the monotonic clock, expiry on the wall clock. Event loop only.

    A connection is due with 1001 when it has said nothing for `timeout` seconds, and with 4001 at its `expires_at`;
    the first may come as late as 90 s (`protocol.close_codes`), the second is exact. It only says who is due; its
    caller closes them.
    """

    __slots__ = ("_clock", "_expiry", "_silence", "_timeout")

    def __init__(self, clock: Clock, timeout: float) -> None:
        """`timeout` in seconds; 0 for never."""
        self._clock = clock
        self._timeout = timeout
        self._silence = Deadlines()
        self._expiry = Deadlines()

    def seen(self, connection: ConnectionId) -> None:
        """The connection was opened, or has said something: its silence begins anew."""
        if self._timeout > 0:
            self._silence.set(connection, self._clock.monotonic() + self._timeout)

    def expire_at(self, connection: ConnectionId, when: float | None) -> None:
        """Set when the connection's token expires, in Unix seconds; None for never."""
        if when is None:
            self._expiry.cancel(connection)
        else:
            self._expiry.set(connection, when)

    def forget(self, connection: ConnectionId) -> None:
        """The connection is closing: it is never due again."""
        self._silence.cancel(connection)
        self._expiry.cancel(connection)

    def pop_due(self) -> list[tuple[ConnectionId, WSCloseCode]]:
        """Take out the connections that are due now, each once, with the code to close them with."""
        # Expiry first: who is both expired and silent is told the one that a reconnect would not cure.
        due = [(connection, WSCloseCode.AUTH_FAILED) for connection in self._expiry.pop_due(self._clock.time())]
        for connection, _ in due:
            self._silence.cancel(connection)
        for connection in self._silence.pop_due(self._clock.monotonic()):
            self._expiry.cancel(connection)
            due.append((connection, WSCloseCode.GOING_AWAY))
        return due

    def seconds_to_next(self) -> float | None:
        """Seconds after which to ask `pop_due` again, never too late; None when nothing is to come."""
        silence, expiry = self._silence.next(), self._expiry.next()
        waits = []
        if silence is not None:
            waits.append(silence - self._clock.monotonic())
        if expiry is not None:
            waits.append(expiry - self._clock.time())
        return max(0.0, min(waits)) if waits else None
