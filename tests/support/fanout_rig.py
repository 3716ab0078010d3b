"""A fan-out with everything around it that a test looks at or moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.fanout.base import (
    ClosedNotice,
    ConnectionIdentity,
    FanoutCore,
    FanoutLimits,
    Membership,
    MessageNotice,
    Notice,
    NullObserver,
    Occupancy,
    Submission,
)
from gateway.fanout.facade import AsgiFanout
from gateway.types import ConnectionId, Room
from tests.support.clock import FakeClock
from tests.support.settle import settle
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

    def on_notices(self, notices: Sequence[Notice]) -> None:
        self.calls += 1
        self.notices.extend(notices)
        if self.then is not None:
            for notice in notices:
                self.then(notice)

    def on_occupancy(self, occupancy: Occupancy) -> None:
        self.occupancies.append(occupancy)

    @property
    def closed(self) -> list[tuple[ConnectionId, int]]:
        return [(notice.connection, notice.code) for notice in self.notices if isinstance(notice, ClosedNotice)]

    @property
    def messages(self) -> list[tuple[ConnectionId, str]]:
        return [(notice.connection, notice.text) for notice in self.notices if isinstance(notice, MessageNotice)]


@dataclass(slots=True)
class RecordingObserver(NullObserver):
    reached: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    dropped: int = 0
    kinds: list[str] = field(default_factory=list)

    def on_broadcast(self, recipients: int, seconds: float) -> None:
        self.reached.append(recipients)
        self.seconds.append(seconds)

    def on_dropped(self, events: int) -> None:
        self.dropped += events

    def on_client_message(self, kind: str) -> None:
        self.kinds.append(kind)


@dataclass(frozen=True, slots=True)
class Client:
    """One attached connection: its id, its client's side, and the endpoint that serves it."""

    id: ConnectionId
    socket: FakeSocket
    served: asyncio.Task[int]


class Rig:
    """A fan-out on a core, with a clock to move."""

    def __init__(self, core: Callable[[FanoutLimits], FanoutCore], limits: FanoutLimits) -> None:
        self.clock = FakeClock()
        self.listener = RecordingListener()
        self.observer = RecordingObserver()
        self.fanout = AsgiFanout(core(limits), "test", limits, self.listener, observer=self.observer, clock=self.clock)
        self.clients: list[Client] = []

    def connect(
        self,
        *audiences: str,
        room: Room = ROOM,
        memberships: Sequence[Membership] | None = None,
        keys: tuple[str, ...] = (),
        expires_at: float | None = None,
        welcome: Callable[[ConnectionId], str] | None = None,
    ) -> Client:
        """Attach a fake socket and serve it, as an endpoint does."""
        socket = FakeSocket()
        identity = ConnectionIdentity(room.tenant, keys, expires_at)
        connection = self.fanout.attach(
            socket, memberships or [Membership(room, audiences or (KITCHEN,))], identity, welcome
        )
        client = Client(connection, socket, asyncio.ensure_future(self.fanout.serve(connection)))
        self.clients.append(client)
        return client

    def submit(self, n: int, *audiences: str, room: Room = ROOM, position: str | None = None, padding: int = 0) -> bool:
        """Submit one event that carries a number."""
        return self.fanout.submit_many([event(n, *audiences, room=room, position=position, padding=padding)])[0]

    def advance(self, seconds: float) -> None:
        """Let time pass and do what has fallen due."""
        self.clock.advance(seconds)
        self.fanout.tick()


def event(n: int, *audiences: str, room: Room = ROOM, position: str | None = None, padding: int = 0) -> Submission:
    """An event that carries a number, for the kitchen if not told otherwise."""
    payload = f'{{"type":"X","n":{n},"pad":"{"x" * padding}"}}'.encode()
    return Submission(room, audiences or (KITCHEN,), payload, position)


@asynccontextmanager
async def running(core: Callable[[FanoutLimits], FanoutCore], limits: FanoutLimits | None = None) -> AsyncIterator[Rig]:
    """A started rig; at the end it is stopped, and everybody who was left is resumed and gone."""
    rig = Rig(core, limits or FanoutLimits())
    await rig.fanout.start()
    try:
        yield rig
    finally:
        for client in rig.clients:
            client.socket.resume()
        await settle()
        await rig.fanout.stop(5.0)
        await asyncio.gather(*(client.served for client in rig.clients), return_exceptions=True)
