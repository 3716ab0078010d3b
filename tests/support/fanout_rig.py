"""A fan-out with everything around it that a test looks at or moves."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.fanout.base import (
    BroadcastReport,
    ClosedNotice,
    ConnectionIdentity,
    DueNotice,
    FanoutCore,
    FanoutLimits,
    Membership,
    MessageNotice,
    Notice,
    NullObserver,
    Occupancy,
    PageEntry,
    PageNotice,
    Submission,
)
from gateway.fanout.facade import NodeFanout
from gateway.fanout.native import NativeCore
from gateway.fanout.native_sockets import start_core
from gateway.fanout.pure import PureCore
from gateway.types import Clock, ConnectionId, Room
from tests.support.clock import FakeClock
from tests.support.native_client import NativeClient
from tests.support.settle import others, settle
from tests.support.sockets import FakeSocket

KITCHEN = "branch:5:kitchen"
ADMIN = "branch:5:admin"
WAITERS = "branch:5:waiters"
ROOM = Room(1, 5)


@dataclass
class RecordingListener:
    """Remembers what it was told, and by how many calls."""

    notices: list[Notice] = field(default_factory=list)
    occupancies: list[Occupancy] = field(default_factory=list)
    calls: int = 0
    then: Callable[[Notice], None] | None = None
    ends: dict[ConnectionId, asyncio.Future[int]] = field(default_factory=dict)

    def end_of(self, connection: ConnectionId) -> asyncio.Future[int]:
        """Resolved with the close code when the connection's end is told."""
        return self.ends.setdefault(connection, asyncio.get_running_loop().create_future())

    def on_notices(self, notices: Sequence[Notice]) -> None:
        self.calls += 1
        self.notices.extend(notices)
        for notice in notices:
            if isinstance(notice, ClosedNotice) and notice.connection in self.ends:
                self.ends[notice.connection].set_result(notice.code)
        if self.then is not None:
            for notice in notices:
                self.then(notice)

    def on_occupancy(self, occupancy: Occupancy) -> None:
        self.occupancies.append(occupancy)

    @property
    def closed(self) -> list[tuple[ConnectionId, int]]:
        return [(notice.connection, notice.code) for notice in self.notices if isinstance(notice, ClosedNotice)]

    @property
    def due(self) -> list[ConnectionId]:
        notices = [notice for notice in self.notices if isinstance(notice, DueNotice)]
        return [connection for notice in notices for connection in notice.connections]

    @property
    def pages(self) -> list[ConnectionId]:
        return [notice.connection for notice in self.notices if isinstance(notice, PageNotice)]

    @property
    def messages(self) -> list[tuple[ConnectionId, str]]:
        return [(notice.connection, notice.text) for notice in self.notices if isinstance(notice, MessageNotice)]


@dataclass(slots=True)
class RecordingObserver(NullObserver):
    watching: bool = False
    passed: list[BroadcastReport] = field(default_factory=list)
    dropped: int = 0
    overflows: int = 0
    kinds: list[str] = field(default_factory=list)

    def watches(self, event: Submission) -> bool:
        return self.watching

    def on_passed(self, report: BroadcastReport) -> None:
        self.passed.append(report)

    def on_overflow(self) -> None:
        self.overflows += 1

    def on_dropped(self, events: int) -> None:
        self.dropped += events

    def on_client_message(self, kind: str) -> None:
        self.kinds.append(kind)


@dataclass(frozen=True, slots=True)
class Client:
    """One attached connection: its id, its client's side, and the endpoint that serves it."""

    id: ConnectionId
    socket: FakeSocket | NativeClient
    served: asyncio.Future[int]


@dataclass(frozen=True, slots=True)
class Kind:
    """Which core a rig runs on, and who owns its connections."""

    name: str
    core: Callable[[FanoutLimits, Clock], FanoutCore]
    reactors: int = 0


KINDS = [
    Kind("pure", PureCore),
    Kind("native", lambda limits, clock: NativeCore(limits, clock=(clock.monotonic(), clock.time()))),
    Kind("sockets", PureCore, reactors=2),
]
"""Every way there is: the two cores with ASGI connections, and the native one with sockets of its own."""


class Rig:
    """A fan-out of some kind, with a clock to move."""

    def __init__(self, kind: Kind, limits: FanoutLimits) -> None:
        self.kind = kind
        self.clock = FakeClock()
        self.listener = RecordingListener()
        self.observer = RecordingObserver()
        self.native = start_core(limits, kind.reactors, self.clock) if kind.reactors else None
        self.core = self.native or kind.core(limits, self.clock)
        self.fanout = NodeFanout(
            self.core,
            "test",
            limits,
            self.listener,
            observer=self.observer,
            clock=self.clock,
            sockets=self.native,
        )
        self.is_stopping = self.has_stopped = False
        self.clients: list[Client] = []
        self.sockets: list[FakeSocket | NativeClient] = []

    # --- what was counted, by the observer or by the reactors ---

    @property
    def dropped(self) -> int:
        """Best-effort events that were dropped for slow clients."""
        return self.observer.dropped + self._counted("dropped")

    @property
    def pings(self) -> int:
        """Heartbeats that were answered."""
        return self.observer.kinds.count("ping") + self._counted("pings")

    @property
    def rate_limited(self) -> int:
        """Connections that were closed for their message rate."""
        return self.observer.kinds.count("rate_limited") + self._counted("rate_limited")

    @property
    def passed(self) -> tuple[int, float]:
        """To how many recipients events were passed, and the seconds that it took, added up."""
        measures = self.fanout.measures()
        return round(measures.audience.sum), measures.passing.sum

    @property
    def outbox_bytes(self) -> int:
        """What waits in all outboxes."""
        return self._counted("outbox_bytes") if self.native else self.fanout._owner.budget.used

    def _counted(self, name: str) -> int:
        sockets = self.fanout.stats().sockets
        return getattr(sockets, name) if sockets else 0

    # --- what goes on beside the loop ---

    def hold(self) -> None:
        """Have reactors stand still, as the loop does while a test does not await anything."""
        if self.native is not None:
            self.native.hold()

    def release(self) -> None:
        """Let reactors go on."""
        if self.native is not None:
            self.native.release()

    def come_to_rest(self) -> bool:
        """Let reactors and clients do what they have to do, and stand still again; whether there was anything."""
        if self.native is None or self.has_stopped:
            return False
        self.release()
        moved = False
        while True:
            assert self.native.settle(20.0), "the reactors do not come to rest"
            if not self._pump():
                break
            moved = True
        self.hold()
        # What reactors have told is still to be heard, and may give them something to do.
        assert self.native.notice_fd is not None
        return moved or bool(select.select([self.native.notice_fd], [], [], 0)[0])

    def _pump(self) -> bool:
        """Let clients read and, when everybody is closed, hang up; whether there was anything."""
        moved = False
        for client in self.sockets:
            if isinstance(client, NativeClient):
                moved |= client.pump()
                if client.ended and self.is_stopping:
                    client.close()
        return moved

    def new_socket(self) -> FakeSocket | NativeClient:
        """A socket of this kind, with a client at its other end."""
        socket = NativeClient() if self.native else FakeSocket()
        self.sockets.append(socket)
        return socket

    def connect(
        self,
        *audiences: str,
        room: Room = ROOM,
        memberships: Sequence[Membership] | None = None,
        keys: tuple[str, ...] = (),
        expires_at: float | None = None,
        welcome: Callable[[ConnectionId], str] | None = None,
        positions: Mapping[int, str] | None = None,
        check_every: float | None = None,
        resuming: bool = False,
    ) -> Client:
        """Attach a socket and, where that is the endpoint's task, serve it."""
        socket = self.new_socket()
        identity = ConnectionIdentity(room.tenant, keys, expires_at, check_every=check_every)
        connection = self.fanout.attach(
            socket,
            memberships or [Membership(room, audiences or (KITCHEN,))],
            identity,
            welcome,
            positions,
            resuming=resuming,
        )
        if isinstance(socket, NativeClient):
            served = self.listener.end_of(connection)
        else:
            served = asyncio.ensure_future(self.fanout.serve(connection))
        client = Client(connection, socket, served)
        self.clients.append(client)
        return client

    def submit(self, n: int, *audiences: str, room: Room = ROOM, position: str | None = None, padding: int = 0) -> bool:
        """Submit one event that carries a number."""
        return self.fanout.submit_many([event(n, *audiences, room=room, position=position, padding=padding)])[0]

    def page(self, client: Client, *entries: PageEntry, last: bool = False) -> bool:
        """Give a client that resumes the next of its history."""
        return self.fanout.page(client.id, entries, last=last)

    def advance(self, seconds: float) -> None:
        """Let time pass and do what has fallen due."""
        self.come_to_rest()  # what reactors have not done yet happened before
        self.move_clock(seconds)

    def move_clock(self, seconds: float) -> None:
        """The same at once, whatever reactors have not done yet."""
        self.clock.advance(seconds)
        if isinstance(self.core, NativeCore):
            self.core.advance(self.clock.monotonic(), self.clock.time())
        self.fanout.tick()

    async def stop(self, timeout: float) -> None:
        """Stop the fan-out; clients that get their close hang up, as clients do."""
        self.release()
        self.is_stopping = True
        stopping = asyncio.ensure_future(self.fanout.stop(timeout))
        while not stopping.done():
            self._pump()
            await asyncio.wait([stopping], timeout=0.001)
        await stopping
        self.has_stopped = True


def event(n: int, *audiences: str, room: Room = ROOM, position: str | None = None, padding: int = 0) -> Submission:
    """An event that carries a number, for the kitchen if not told otherwise."""
    payload = f'{{"type":"X","n":{n},"pad":"{"x" * padding}"}}'.encode()
    return Submission(room, audiences or (KITCHEN,), payload, position)


def past(n: int, *, padding: int = 0) -> PageEntry:
    """A critical event of the past that carries a number; its position is `past_position(n)`."""
    return PageEntry(event(n, padding=padding).payload, past_position(n))


def past_position(n: int) -> str:
    """The position of the n-th critical event."""
    return f"{n}-1/{n:08x}"


@asynccontextmanager
async def running(kind: Kind, limits: FanoutLimits | None = None) -> AsyncIterator[Rig]:
    """A started rig; at the end it is stopped, and everybody who was left is resumed and gone."""
    rig = Rig(kind, limits or FanoutLimits())
    await rig.fanout.start()
    rig.hold()
    others.append(rig.come_to_rest)
    try:
        yield rig
    finally:
        for client in rig.clients:
            client.socket.resume()
        await settle()
        others.remove(rig.come_to_rest)
        for socket in rig.sockets:
            if isinstance(socket, NativeClient):
                socket.close()
        await rig.stop(5.0)
        await asyncio.gather(*(client.served for client in rig.clients), return_exceptions=True)
