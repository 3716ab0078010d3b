"""A whole fan-out: a core, the owner of its ASGI connections, and the tasks that drive them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

from gateway.errors import ConnectionGoneError, StoppingError
from gateway.fanout.asgi import AsgiOwner
from gateway.fanout.base import (
    AsgiSocket,
    BroadcastObserver,
    ConnectionIdentity,
    ConnectionInfo,
    CoreStats,
    FanoutCore,
    FanoutLimits,
    FanoutListener,
    Membership,
    NullObserver,
    Submission,
)
from gateway.fanout.broadcaster import ConnectionBroadcaster, Job
from gateway.fanout.message import control_message
from gateway.fanout.outlet import NoticeOutlet
from gateway.fanout.timekeeper import Timekeeper
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import Clock, ConnectionId, SystemClock


class AsgiFanout:
    """Keeps `Fanout` on any core, with ASGI connections. Event loop only, but for `stats`.

    Every change is made in the core first and then in the owner, in one step of the loop: no event falls between.

    Attributes:
        name: `pure` or `native`, for logs and metrics.
    """

    def __init__(
        self,
        core: FanoutCore,
        name: str,
        limits: FanoutLimits,
        listener: FanoutListener | None = None,
        *,
        observer: BroadcastObserver | None = None,
        clock: Clock | None = None,
    ) -> None:
        """`core` must hold to the same `limits`; without a listener, `bind` one before the first connection."""
        self.name = name
        self._core = core
        self._clock = clock or SystemClock()
        observer = observer or NullObserver()
        self._outlet = NoticeOutlet()
        self._owner = AsgiOwner(limits, self._outlet, observer, self._clock, self._leave)
        self._broadcaster = ConnectionBroadcaster(core, self._owner, observer, self._clock, limits.workers)
        self._timekeeper = Timekeeper(self._owner.tick, self._owner.seconds_to_next)
        self._ids = itertools.count(1)
        self._stopped = False
        if listener is not None:
            self.bind(listener)

    # --- life ------------------------------------------------------------------------------------------------

    def bind(self, listener: FanoutListener) -> None:
        """Set who is told; for the hub, which is built on top of this. What happened before waits for it."""
        self._outlet.bind(listener)

    async def start(self) -> None:
        """See `Fanout.start`."""
        self._broadcaster.start_workers()
        self._timekeeper.start()

    async def stop(self, timeout: float) -> None:
        """See `Fanout.stop`; takes at most `LINGER_SECONDS` longer than `timeout`, for the closes.

        From its first step on, nothing is submitted or attached any more.
        """
        if self._stopped:
            return
        self._stopped = True
        await self._broadcaster.stop_workers(timeout)
        await self._owner.close_all(WSCloseCode.GOING_AWAY)
        await self._timekeeper.stop()
        # The last notices were scheduled before this, and so come before it.
        await asyncio.sleep(0)

    def tick(self) -> None:
        """Do now what is due now. The time-keeper does it by itself; this is for tests that move the clock."""
        self._owner.tick()

    # --- connections -----------------------------------------------------------------------------------------

    def attach(
        self,
        socket: AsgiSocket,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        welcome: Callable[[ConnectionId], str] | None = None,
    ) -> ConnectionId:
        """See `Fanout.attach`. What `welcome` raises is raised, and nobody is attached.

        Raises:
            ValueError: see `FanoutCore.attach`.
            StoppingError: the fan-out is stopping.
        """
        if self._stopped:
            raise StoppingError("the fan-out is stopping and takes no connections; refuse them at the edge")
        connection = ConnectionId(next(self._ids))
        first = None if welcome is None else control_message(welcome(connection))
        occupancy = self._core.attach(connection, memberships, identity)
        self._outlet.occupancy(occupancy)
        self._owner.attach(connection, socket, identity)
        if first is not None:
            self._owner.deliver(connection, first)
        if identity.expires_at is not None:
            self._timekeeper.look_again()
        return connection

    async def serve(self, connection: ConnectionId) -> int:
        """See `Fanout.serve`.

        Raises:
            ConnectionGoneError: it has ended before it was served.
            RuntimeError: it is served already.
        """
        return await self._owner.serve(connection)

    def move(self, connection: ConnectionId, memberships: Sequence[Membership]) -> None:
        """See `Fanout.move`.

        Raises:
            ConnectionGoneError: no such connection.
            ValueError: see `FanoutCore.attach`; nothing was changed.
        """
        try:
            occupancy = self._core.move(connection, memberships)
        except KeyError:
            raise _gone(connection) from None
        self._owner.mark_moved(connection)
        self._outlet.occupancy(occupancy)

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """See `Fanout.set_identity`.

        Raises:
            ConnectionGoneError: no such connection.
            ValueError: see `FanoutCore.set_identity`; nothing was changed.
        """
        try:
            self._core.set_identity(connection, identity)
        except KeyError:
            raise _gone(connection) from None
        self._owner.set_identity(connection, identity)
        if identity.expires_at is not None:
            self._timekeeper.look_again()

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """See `Fanout.info`.

        Raises:
            ConnectionGoneError: no such connection.
        """
        try:
            return self._core.info(connection)
        except KeyError:
            raise _gone(connection) from None

    # --- messages --------------------------------------------------------------------------------------------

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        """See `Fanout.submit_many`. An event for a room with nobody in it is accepted, and nobody hears of it."""
        if self._stopped:
            return [False] * len(items)
        tickets = self._core.submit_many([(item.room, item.audiences, len(item.payload)) for item in items])
        now = self._clock.monotonic()
        for item, ticket in zip(items, tickets, strict=True):
            if ticket:
                self._broadcaster.enqueue(Job(ticket, item.room, item.payload, item.position, now))
        return [ticket is not None for ticket in tickets]

    def send(self, connection: ConnectionId, text: str) -> bool:
        """See `Fanout.send`."""
        return self._owner.deliver(connection, control_message(text))

    def answer(self, connection: ConnectionId, text: str | None) -> bool:
        """See `Fanout.answer`; False, and nothing is sent, where no `MessageNotice` is open."""
        return self._owner.answer(connection, text)

    # --- closing and counting --------------------------------------------------------------------------------

    def close(self, connection: ConnectionId, code: int) -> bool:
        """See `Fanout.close`. It is out of every count at once; its `ClosedNotice` comes when the close is sent."""
        return self._owner.close(connection, code)

    def close_where(self, tenant: int, key: str, code: int) -> int:
        """See `Fanout.close_where`."""
        return sum(self._owner.close(connection, code) for connection in self._core.find(tenant, key))

    def count(self, tenant: int, key: str) -> int:
        """See `Fanout.count`."""
        return self._core.count(tenant, key)

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """See `FanoutCore.list`."""
        return self._core.list(tenant, cursor, limit)

    def stats(self) -> CoreStats:
        """See `FanoutCore.stats`. Any thread."""
        return self._core.stats()

    def _leave(self, connection: ConnectionId) -> None:
        self._outlet.occupancy(self._core.leave(connection))


def _gone(connection: ConnectionId) -> ConnectionGoneError:
    return ConnectionGoneError(f"connection {connection} has already left")
