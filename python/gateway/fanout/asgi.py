"""The owner of ASGI connections: for each a bounded outbox, a reader, and a writer while there is something to write.

It is the owner on the event loop: TLS in process, any ASGI server, no extension needed. It knows
connections and messages; whom an event reaches is the core's business, and `broadcaster.py` brings the two together.

Why a stalled client delays nobody: nothing but its own writer task ever waits for its socket. All else puts entries
into its outbox, which never waits; when that is full, it is this connection that goes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import (
    AsgiSocket,
    BroadcastObserver,
    ClosedNotice,
    ConnectionIdentity,
    DueNotice,
    FanoutLimits,
    PageEntry,
    PageNotice,
)
from gateway.fanout.broadcaster import Fate
from gateway.fanout.budget import OutboxBudget
from gateway.fanout.check_schedule import CheckSchedule
from gateway.fanout.connection import AsgiConnection, State
from gateway.fanout.deadlines import Deadlines
from gateway.fanout.heartbeat import HeartbeatTracker
from gateway.fanout.message import Message, control_message, page_message
from gateway.fanout.outbox import Outbox
from gateway.fanout.outlet import NoticeOutlet
from gateway.fanout.rate_limit import TokenBucket
from gateway.fanout.reader import ClientReader
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import Clock, ConnectionId

LINGER_SECONDS = 2.0
"""How long a closing connection has to take what waits for it and the close. A client that reads does so in
milliseconds; one that does not would otherwise hold its outbox, and a shutdown, for as long as TCP cares to wait."""

logger = logging.getLogger("gateway.fanout")


class AsgiOwner:
    """Owns every ASGI connection of the node. Event loop only.

    Attributes:
        budget: what waits in all outboxes together.
        moves: how often connections were moved; a job that is cut remembers it, see `moved_since`.
    """

    def __init__(
        self,
        limits: FanoutLimits,
        outlet: NoticeOutlet,
        observer: BroadcastObserver,
        clock: Clock,
        *,
        leave: Callable[[ConnectionId], None],
        positions: Callable[[ConnectionId], Mapping[int, str]],
        splice: Callable[[bytes, str], bytes],
        budget: OutboxBudget | None = None,
    ) -> None:
        """`leave` takes a connection out of the core; called once for each, when it begins to close or is gone.

        `positions` gives those of a connection's rooms, and `splice` makes an event of a page, see `FanoutCore`.

        Without a `budget` the event loop has the node's to itself.
        """
        self.budget = budget or OutboxBudget(limits.node_outbox_bytes)
        self.moves = 0
        self._limits = limits
        self._outlet = outlet
        self._observer = observer
        self._clock = clock
        self._leave = leave
        self._splice = splice
        self._connections: dict[ConnectionId, AsgiConnection] = {}
        self._heartbeat = HeartbeatTracker(clock, limits.heartbeat_timeout)
        self._checks = CheckSchedule(clock)
        self._linger = Deadlines()
        self._reader = ClientReader(
            limits,
            self._heartbeat,
            outlet,
            observer=observer,
            clock=clock,
            pong=self._push_past_held,
            positions=positions,
        )

    def attach(
        self,
        connection: ConnectionId,
        socket: AsgiSocket,
        identity: ConnectionIdentity,
        first: Message | None = None,
        *,
        resuming: bool = False,
    ) -> None:
        """Take over a socket whose connection has just entered the core. Nothing is written before `serve`.

        It gets the message `first` before all else, also when it is `resuming`.
        """
        outbox = Outbox(self._limits.outbox_bytes, self.budget)
        held = Outbox(self._limits.outbox_bytes, self.budget) if resuming else None
        bucket = TokenBucket(self._limits.message_rate, self._clock.monotonic())
        found = AsgiConnection(connection, socket, identity, outbox, bucket, keeper=self, held=held)
        self._connections[connection] = found
        self._heartbeat.seen(connection)
        self._heartbeat.expire_at(connection, identity.expires_at)
        self._checks.begin(connection, identity.check_every)
        if first is not None:
            self._push_past_held(found, first)

    async def serve(self, connection: ConnectionId) -> int:
        """See `Fanout.serve`.

        Raises:
            ConnectionGoneError: it has ended before it was served.
            RuntimeError: it is served already.
        """
        if (found := self._connections.get(connection)) is None:
            raise ConnectionGoneError(f"connection {connection} has ended before it was served")
        return await found.serve(self._reader.read)

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """Go by another expiry from now on, begin its checks anew, and say at its end that it was this one."""
        if (found := self._open(connection)) is not None:
            found.identity = identity
            self._heartbeat.expire_at(connection, identity.expires_at)
            self._checks.begin(connection, identity.check_every)

    def mark_moved(self, connection: ConnectionId) -> None:
        """The core has moved this connection."""
        if (found := self._open(connection)) is not None:
            self.moves += 1
            found.moved = self.moves

    def moved_since(self, connection: ConnectionId, moves: int) -> bool:
        """Whether a connection was moved after `moves` was read."""
        found = self._connections.get(connection)
        return found is not None and found.moved > moves

    def deliver(self, connection: ConnectionId, message: Message) -> bool:
        """Put a message behind what waits for a connection; False when it is closing or gone. Never waits."""
        if (found := self._open(connection)) is None:
            return False
        self._push(found, message)
        return True

    def pass_on(self, connection: ConnectionId, message: Message) -> Fate:
        """The same with an event, of which somebody wants to know what became. Never waits."""
        # Not `_open` and `_push`: this is done for each recipient of each event, and a call costs a tenth of it.
        found = self._connections.get(connection)
        if found is None or found.state is not State.OPEN:
            return Fate.GONE
        fate = Fate.QUEUED if found.is_busy else Fate.TAKEN
        self._pushed(found, found.push(message))
        return fate if found.state is State.OPEN else Fate.LOST

    def waiting(self, connection: ConnectionId) -> int | None:
        """Bytes that wait for a connection, held ones too; None when it is closing or gone."""
        found = self._open(connection)
        return None if found is None else found.waiting

    def is_resuming(self, connection: ConnectionId) -> bool:
        """Whether a connection has yet to be given its last page."""
        found = self._connections.get(connection)
        return found is not None and found.held is not None

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        """See `Fanout.page`.

        Raises:
            ValueError: see there.
        """
        if (found := self._open(connection)) is None:
            return False
        if found.held is None:
            raise ValueError(
                f"connection {connection} is live; only one that was attached as resuming takes pages, up to its last"
            )
        if found.is_taking:
            raise ValueError(f"connection {connection} is taking a page already; wait for its notice before the next")
        for message in [page_message(entry, self._splice) for entry in entries]:
            self._push_past_held(found, message)
            if found.state is not State.OPEN:
                return True  # this one was too much
        if last:
            found.go_live()
        else:
            found.take_page()
        return True

    def answer(self, connection: ConnectionId, text: str | None) -> bool:
        """Answer the open message and read on; False when none is open, or the connection is closing or gone."""
        found = self._open(connection)
        if found is None or (unanswered := found.unanswered) is None:
            return False
        found.unanswered = None
        if text is not None:
            self._push(found, control_message(text))
        unanswered.set_result(None)
        return True

    def close(self, connection: ConnectionId, code: int) -> bool:
        """Close behind what waits; no event joins it any more. False when it is closing already, or gone."""
        if (found := self._open(connection)) is None:
            return False
        found.close(code)
        return True

    def give_up(self, connection: ConnectionId, code: int) -> bool:
        """Close in place of what waits: for a connection that cannot be kept. False as for `close`."""
        if (found := self._open(connection)) is None:
            return False
        if lost := found.discard():
            self._observer.on_dropped(lost)
        found.close(code)
        return True

    async def close_all(self, code: int) -> None:
        """Close every connection and wait until all have ended, at most `LINGER_SECONDS`; then cut off the rest."""
        for found in list(self._connections.values()):
            found.close(code)
        endings = [asyncio.ensure_future(found.ended()) for found in self._connections.values()]
        if endings:
            _, late = await asyncio.wait(endings, timeout=LINGER_SECONDS)
            for ending in late:
                ending.cancel()
        for found in list(self._connections.values()):
            found.end(found.code)

    def tick(self) -> None:
        """Close those that are silent or expired, cut off those that linger, tell whom to check.

        Called when something falls due.
        """
        for connection, code in self._heartbeat.pop_due():
            self.close(connection, code)
        if due := self._checks.pop_due():
            self._outlet.notice(DueNotice(due))
        for connection in self._linger.pop_due(self._clock.monotonic()):
            found = self._connections[connection]
            logger.info("connection %d did not take its close (%d) in time; it is cut off", found.id, found.code)
            found.end(found.code)

    def seconds_to_next(self) -> float | None:
        """Seconds after which to `tick` again, never too late; None when nothing is to come."""
        linger = self._linger.next()
        waits = (
            self._heartbeat.seconds_to_next(),
            self._checks.seconds_to_next(),
            None if linger is None else linger - self._clock.monotonic(),
        )
        return min((wait for wait in waits if wait is not None), default=None)

    # --- `ConnectionKeeper` ----------------------------------------------------------------------------------

    def on_page_taken(self, connection: AsgiConnection) -> None:
        """See `ConnectionKeeper`."""
        self._outlet.notice(PageNotice(connection.id))

    def on_dropped(self, events: int) -> None:
        """See `ConnectionKeeper`."""
        self._observer.on_dropped(events)

    def on_closing(self, connection: AsgiConnection) -> None:
        """See `ConnectionKeeper`."""
        self._heartbeat.forget(connection.id)
        self._checks.forget(connection.id)
        self._linger.set(connection.id, self._clock.monotonic() + LINGER_SECONDS)
        self._leave(connection.id)

    def on_ended(self, connection: AsgiConnection) -> None:
        """See `ConnectionKeeper`."""
        self._linger.cancel(connection.id)
        del self._connections[connection.id]
        self._outlet.notice(ClosedNotice(connection.id, connection.code, connection.identity))

    # --- inside ----------------------------------------------------------------------------------------------

    def _open(self, connection: ConnectionId) -> AsgiConnection | None:
        found = self._connections.get(connection)
        return found if found is not None and found.state is State.OPEN else None

    def _push(self, connection: AsgiConnection, message: Message) -> None:
        self._pushed(connection, connection.push(message))

    def _push_past_held(self, connection: AsgiConnection, message: Message) -> None:
        self._pushed(connection, connection.push_past_held(message))

    def _pushed(self, connection: AsgiConnection, dropped: int | None) -> None:
        if dropped is None:
            self._overflow(connection)
        elif dropped:
            self._observer.on_dropped(dropped)
        if self.budget.exceeded:
            self._relieve()

    def _relieve(self) -> None:
        """Close the largest outboxes until the node is within its budget.

        The one place that looks at all connections. Each look frees the largest there is, so it comes once in many
        pushes, however long the node stays at its limit.
        """
        by_size = sorted(self._connections.values(), key=lambda found: found.waiting, reverse=True)
        for found in by_size:
            # Reactors charge the budget too, and theirs may be what fills it: closing the idle would free nothing.
            if not self.budget.exceeded or not found.waiting:
                return
            logger.warning("the node's outboxes are full; closing connection %d, whose is the largest", found.id)
            self._overflow(found)

    def _overflow(self, connection: AsgiConnection) -> None:
        if self.give_up(connection.id, WSCloseCode.SERVER_OVERLOADED):
            self._observer.on_overflow()
