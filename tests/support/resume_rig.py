"""A node that clients come back to, among fakes; its fan-out holds events back as the real ones do."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, Membership, PageEntry, Submission
from gateway.ingest.resume_base import ResumeOutcome
from gateway.ingest.resumes import Resumes
from gateway.ingest.room_ring import NODE_RING_BYTES
from gateway.ingest.shared_reads import SharedReads
from gateway.protocol.positions import Position
from gateway.types import ConnectionId, Room
from tests.support.live_rig import FakeTime, LiveRig, NotingFanout
from tests.support.memory_history import MemoryRoomHistory
from tests.support.settle import settle


@dataclass
class FakeConnection:
    """What one connection was given: positions of events, and texts."""

    memberships: tuple[Membership, ...]
    live: bool
    got: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    pages: list[list[PageEntry]] = field(default_factory=list)
    untaken: bool = False
    closed: int | None = None

    def audiences(self, room: Room) -> frozenset[str]:
        return frozenset(name for member in self.memberships if member.room == room for name in member.audiences)

    def pass_to(self, what: str) -> None:
        (self.got if self.live else self.held).append(what)


class ResumingFanout(NotingFanout):
    """Keeps `RoomFanout` and `ResumeFanout`; connections are attached by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[ConnectionId, FakeConnection] = {}
        self._last = 0

    def attach(self, memberships: Sequence[Membership], *, resuming: bool) -> ConnectionId:
        self._last += 1
        self.connections[ConnectionId(self._last)] = FakeConnection(tuple(memberships), live=not resuming)
        return ConnectionId(self._last)

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        answers = super().submit_many(items)
        for item, accepted in zip(items, answers, strict=True):
            if accepted and item.position is not None:
                for connection in self.connections.values():
                    if not connection.audiences(item.room).isdisjoint(item.audiences):
                        connection.pass_to(item.position)
        return answers

    def announce(self, room: Room, text: str, position: Position) -> bool:
        accepted = super().announce(room, text, position)
        for connection in self.connections.values():
            if accepted and connection.audiences(room):
                connection.pass_to(text)
        return accepted

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        known = self.connections.get(connection)
        if known is None:
            raise ConnectionGoneError(str(connection))
        return ConnectionInfo(connection, ConnectionIdentity(1), known.memberships)

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        known = self.connections.get(connection)
        if known is None or known.closed is not None:
            return False
        if known.live or known.untaken:
            raise ValueError("the connection is live, or has not taken its page")
        for payload, position in entries:
            if position is not None:
                json.loads(payload)  # as a splice would, if more strictly
        known.pages.append(list(entries))
        known.got += [position or payload.decode() for payload, position in entries]
        known.untaken = not last
        if last:
            known.live = True
            known.got += known.held
            known.held.clear()
        return True

    def close(self, connection: ConnectionId, code: int) -> bool:
        known = self.connections.get(connection)
        if known is None:
            return False
        known.closed = code
        known.held.clear()
        return True


class NotingResumes:
    """Keeps `ResumeObserver`."""

    def __init__(self) -> None:
        self.outcomes: Counter[ResumeOutcome] = Counter()
        self.running = 0

    def on_resume(self, outcome: ResumeOutcome) -> None:
        self.outcomes[outcome] += 1

    def on_replays(self, running: int) -> None:
        self.running = running


class Node:
    """Live channels, resumes and connections of one node."""

    def __init__(
        self, time: FakeTime, history: MemoryRoomHistory, *, ring_bytes: int = NODE_RING_BYTES, **numbers: float
    ) -> None:
        self.fanout = ResumingFanout()
        self.rig = LiveRig(time, history, self.fanout, ring_bytes)
        self.reads = SharedReads(history)
        self.observer = NotingResumes()
        self.resumes = Resumes(
            self.rig.interest,
            self.reads,
            self.fanout,
            observer=self.observer,
            clock=time,
            sleep=time.sleep,
            **{"place_seconds": 3_600, **numbers},  # type: ignore[arg-type]  # some are whole
        )

    async def start(self) -> None:
        await self.rig.subscriber.start()
        await settle()

    async def stop(self) -> None:
        await self.resumes.stop()
        await self.rig.subscriber.stop()

    async def join(self, memberships: Sequence[Membership], asked: Mapping[int, Position]) -> Joined:
        """As the hub does it."""
        rooms = [member.room for member in memberships]
        async with self.rig.interest.hold(rooms), self.resumes.prepare(memberships, asked) as resuming:
            positions = {room.branch: self.rig.interest.position(room) for room in rooms}
            connection = self.fanout.attach(memberships, resuming=resuming.needs_pages)
            self.rig.interest.on_rooms(rooms, ())
            resuming.begin(connection)
        return Joined(self, connection, dict(resuming.resumed), {**positions, **resuming.positions})

    async def joined(self, memberships: Sequence[Membership], asked: Mapping[int, Position]) -> Joined:
        """The same, with Redis answering."""
        task = asyncio.create_task(self.join(memberships, asked))
        await self.rig.answer()
        async with asyncio.timeout(10):
            return await task

    def leave(self, connection: ConnectionId) -> None:
        known = self.fanout.connections.pop(connection)
        self.rig.interest.on_rooms((), [member.room for member in known.memberships])
        self.resumes.on_closed(connection)


@dataclass
class Joined:
    """A connection, and what its `welcome` says."""

    node: Node
    id: ConnectionId
    resumed: dict[int, bool]
    positions: Mapping[int, Position | None]

    @property
    def connection(self) -> FakeConnection:
        return self.node.fanout.connections[self.id]

    @property
    def got(self) -> list[str]:
        return self.connection.got

    async def take(self) -> bool:
        """The client takes its page; whether there was one."""
        await settle()
        if not self.connection.untaken:
            return False
        self.connection.untaken = False
        self.node.resumes.on_page(self.id)
        await settle()
        return True

    async def take_all(self) -> None:
        while await self.take():
            pass


@asynccontextmanager
async def running_node(*, ring_bytes: int = NODE_RING_BYTES, **numbers: float) -> AsyncIterator[Node]:
    """A node that is live, alone with its history."""
    node = Node(FakeTime(), MemoryRoomHistory(), ring_bytes=ring_bytes, **numbers)
    await node.start()
    try:
        yield node
    finally:
        await node.stop()
