"""A whole fan-out: a core, the owners of its connections, and the tasks that drive them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.errors import ConnectionGoneError, StoppingError
from gateway.fanout.asgi import AsgiOwner
from gateway.fanout.base import (
    AsgiSocket,
    BroadcastObserver,
    ConnectionIdentity,
    ConnectionInfo,
    CoreStats,
    DetachableSocket,
    FanoutCore,
    FanoutLimits,
    FanoutListener,
    Membership,
    NullObserver,
    PageEntry,
    Submission,
)
from gateway.fanout.broadcaster import ConnectionBroadcaster
from gateway.fanout.budget import SharedBudget
from gateway.fanout.job_queue import Job
from gateway.fanout.measures import Measures
from gateway.fanout.message import control_message
from gateway.fanout.outlet import NoticeOutlet
from gateway.fanout.timekeeper import Timekeeper
from gateway.fanout.watch import BroadcastWatch
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import Clock, ConnectionId, Room, SystemClock

if TYPE_CHECKING:
    from gateway.fanout.native import NativeCore
    from gateway.fanout.native_sockets import NativeSockets


class NodeFanout:
    """Keeps `Fanout` on any core, with ASGI connections and, where the core owns some, native sockets.

    Event loop only, but for `stats`. Every change is made in the core first and then in the owner, in one step of the
    loop: no event falls between.

    Attributes:
        name: `pure` or `native`, for logs and metrics.
        takes_sockets: whether the core owns native sockets.
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
        sockets: NativeCore | None = None,
    ) -> None:
        """`core` must hold to the same `limits`; without a listener, `bind` one before the first connection.

        `sockets` is the core once more where it has native sockets (`native_sockets.start_core`); its reactors are then
        this fan-out's to stop.
        """
        self.name = name
        self.takes_sockets = sockets is not None
        self._core = core
        self._reactors = sockets
        clock = clock or SystemClock()
        observer = observer or NullObserver()
        self._watch = BroadcastWatch(core, observer, clock)
        self._outlet = NoticeOutlet()
        self._sockets: NativeSockets | None = None
        budget = None
        if sockets is not None:
            # Here and not at the top: a node without native sockets must not need the extension.
            from gateway.fanout.native_sockets import NativeSockets  # noqa: PLC0415

            self._sockets = NativeSockets(sockets, self._outlet, observer, clock, on_reports=self._watch.tell)
            budget = SharedBudget(limits.node_outbox_bytes, sockets)
        self._owner = AsgiOwner(
            limits,
            self._outlet,
            observer,
            clock,
            leave=self._leave,
            positions=core.positions,
            splice=core.splice,
            budget=budget,
        )
        self._broadcaster = ConnectionBroadcaster(core, self._owner, self._watch.tell, limits.workers)
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
        if self._sockets is not None:
            self._sockets.start()

    async def stop(self, timeout: float) -> None:
        """See `Fanout.stop`; takes at most `LINGER_SECONDS` longer than `timeout`, for the closes.

        From its first step on, nothing is submitted or attached any more.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._sockets is None:
            await self._broadcaster.stop_workers(timeout)
            await self._owner.close_all(WSCloseCode.GOING_AWAY)
        else:
            await asyncio.gather(self._broadcaster.stop_workers(timeout), self._sockets.passed(timeout))
            await asyncio.gather(
                self._owner.close_all(WSCloseCode.GOING_AWAY), self._sockets.close_all(WSCloseCode.GOING_AWAY)
            )
            self._sockets.stop()
        await self._timekeeper.stop()
        # The last notices were scheduled before this, and so come before it.
        await asyncio.sleep(0)

    def tick(self) -> None:
        """Do now what is due now. The time-keeper does it by itself; this is for tests that move the clock."""
        self._owner.tick()
        if self._sockets is not None:
            self._sockets.tick()

    # --- connections -----------------------------------------------------------------------------------------

    def attach(
        self,
        socket: AsgiSocket | DetachableSocket,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        welcome: Callable[[ConnectionId], str] | None = None,
        positions: Mapping[int, str] | None = None,
        *,
        resuming: bool = False,
    ) -> ConnectionId:
        """See `Fanout.attach`. What `welcome` raises is raised, and nobody is attached.

        Raises:
            ValueError: see `FanoutCore.attach`.
            ConnectionGoneError: the server has lost a detachable socket.
            TypeError: the socket is a detachable one, and the core takes none.
            StoppingError: the fan-out is stopping.
        """
        if self._stopped:
            raise StoppingError("the fan-out is stopping and takes no connections; refuse them at the edge")
        connection = ConnectionId(next(self._ids))
        text = None if welcome is None else welcome(connection)
        if isinstance(socket, DetachableSocket):
            self._native().adopt(
                connection, socket, memberships, identity, text, positions=positions, resuming=resuming
            )
            return connection
        first = None if text is None else control_message(text)
        occupancy = self._core.attach(connection, memberships, identity, positions)
        self._outlet.occupancy(occupancy)
        self._owner.attach(connection, socket, identity, first, resuming=resuming)
        if identity.expires_at is not None or identity.check_every is not None:
            self._timekeeper.look_again()
        return connection

    def refuse(self, socket: DetachableSocket, code: int) -> None:
        """See `Fanout.refuse`.

        Raises:
            ConnectionGoneError: the server has lost the socket.
            TypeError: the core takes no detachable sockets.
        """
        self._native().refuse(socket, code)

    async def serve(self, connection: ConnectionId) -> int:
        """See `Fanout.serve`.

        Raises:
            ConnectionGoneError: it has ended before it was served.
            RuntimeError: it is served already.
        """
        return await self._owner.serve(connection)

    def move(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        positions: Mapping[int, str] | None = None,
    ) -> None:
        """See `Fanout.move`.

        Raises:
            ConnectionGoneError: no such connection.
            ValueError: see `FanoutCore.attach`; nothing was changed.
        """
        try:
            occupancy = self._core.move(connection, memberships, positions)
        except KeyError:
            raise _gone(connection) from None
        self._owner.mark_moved(connection)
        self._outlet.occupancy(occupancy)
        if self._sockets is not None:
            self._sockets.drain()

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
        if identity.expires_at is not None or identity.check_every is not None:
            self._timekeeper.look_again()

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        """See `Fanout.positions`."""
        if self._owner.is_resuming(connection):
            return {}
        return self._core.positions(connection)

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
        watched = self._watch.begin(items)
        tickets = self._core.submit_many(items, watched)
        for item, ticket in zip(items, tickets, strict=True):
            if ticket:
                self._broadcaster.enqueue(Job(ticket, item.room, item.payload, item.position))
        if watched:
            self._watch.submitted(watched, tickets)
        return [ticket is not None for ticket in tickets]

    def announce(self, room: Room, text: str, position: str) -> bool:
        """See `Fanout.announce`."""
        if self._stopped:
            return False
        ticket = self._core.announce(room, text, position)
        if ticket:
            self._broadcaster.enqueue(Job(ticket, room, text.encode(), position, is_event=False))
        return ticket is not None

    def send(self, connection: ConnectionId, text: str) -> bool:
        """See `Fanout.send`."""
        if self._sockets is not None and (sent := self._sockets.send(connection, text)) is not None:
            return sent
        return self._owner.deliver(connection, control_message(text))

    def answer(self, connection: ConnectionId, text: str | None) -> bool:
        """See `Fanout.answer`; False, and nothing is sent, where no `MessageNotice` is open."""
        if self._sockets is not None and (answered := self._sockets.answer(connection, text)) is not None:
            return answered
        return self._owner.answer(connection, text)

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        """See `Fanout.page`.

        Raises:
            ValueError: see there.
        """
        if self._sockets is not None and (given := self._sockets.page(connection, entries, last=last)) is not None:
            return given
        return self._owner.page(connection, entries, last=last)

    # --- closing and counting --------------------------------------------------------------------------------

    def close(self, connection: ConnectionId, code: int) -> bool:
        """See `Fanout.close`. It is out of every count at once; its `ClosedNotice` comes when the close is sent."""
        if self._sockets is not None and (closed := self._sockets.close(connection, code)) is not None:
            return closed
        return self._owner.close(connection, code)

    def close_where(self, tenant: int, key: str, code: int) -> int:
        """See `Fanout.close_where`."""
        return sum(self.close(connection, code) for connection in self._core.find(tenant, key))

    def count(self, tenant: int, key: str) -> int:
        """See `Fanout.count`."""
        return self._core.count(tenant, key)

    def find(self, tenant: int | None, key: str) -> list[ConnectionId]:
        """See `Fanout.find`."""
        return self._core.find(tenant, key)

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """See `FanoutCore.list`."""
        return self._core.list(tenant, cursor, limit)

    def waiting(self, connection: ConnectionId) -> int | None:
        """See `Fanout.waiting`."""
        return self._owner.waiting(connection)

    def stats(self) -> CoreStats:
        """See `FanoutCore.stats`. Any thread."""
        return self._core.stats()

    def measures(self) -> Measures:
        """See `FanoutCore.measures`. Any thread."""
        return self._core.measures()

    def outbox_bytes(self) -> int:
        """See `Fanout.outbox_bytes`. Any thread."""
        return self._owner.budget.used if self._reactors is None else self._reactors.outbox_bytes()

    def _native(self) -> NativeSockets:
        if self._sockets is None:
            raise TypeError("this fan-out takes no detachable socket; look at `takes_sockets`, and attach the ASGI way")
        return self._sockets

    def _leave(self, connection: ConnectionId) -> None:
        self._outlet.occupancy(self._core.leave(connection))


def _gone(connection: ConnectionId) -> ConnectionGoneError:
    return ConnectionGoneError(f"connection {connection} has already left")
