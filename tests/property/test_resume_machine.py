"""Clients that wander between two nodes: everything that they may see, once and in order, or they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.errors import BrokerError
from gateway.fanout.base import Membership
from gateway.ingest.room_ring import NODE_RING_BYTES
from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import ZERO, Position
from gateway.types import Room
from tests.support.live_rig import FakeTime
from tests.support.memory_history import MemoryRoomHistory
from tests.support.resume_rig import Joined, Node
from tests.support.settle import settle, turns

ROOMS = (Room(7, 5), Room(7, 6))
SIZES = (0, 20_000, 60_000)
"""Padding of events, so that few of them fill a page."""


class At(NamedTuple):
    """A `welcome` placed the client here: what comes after this event is to come."""

    number: int


class Told(NamedTuple):
    """A `gap`: what comes next may come from anywhere behind."""


class Got(NamedTuple):
    """An event."""

    number: int


@dataclass
class Wanderer:
    """A client; what it knows outlives its connections.

    Attributes:
        audiences: those of its in each room, without the room.
        positions: as it would send them.
        log: what happened to it, by room.
    """

    audiences: tuple[str, ...]
    positions: dict[int, Position] = field(default_factory=dict)
    log: dict[Room, list[At | Told | Got]] = field(default_factory=lambda: {room: [] for room in ROOMS})
    joining: asyncio.Task[Joined] | None = None
    joined: Joined | None = None
    read: int = 0

    @property
    def memberships(self) -> list[Membership]:
        return [Membership(room, self.names(room)) for room in ROOMS]

    def names(self, room: Room) -> tuple[str, ...]:
        return tuple(name.format(room.branch) for name in self.audiences)


class ResumeMachine(RuleBasedStateMachine):
    """Two nodes of one history, lines that lose and delay, and three clients with different rights."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.source: dict[Room, list[CriticalEvent]] = {room: [] for room in ROOMS}
        self.on_their_way: list[list[tuple[Room, CriticalEvent]]] = [[], []]
        self.clients = [
            Wanderer(("branch:{}:admin",)),
            Wanderer(("session:77",)),
            Wanderer(("branch:{}:admin", "session:77")),
        ]
        self.number = 0
        self.nodes: list[Node] = []

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(coroutine)

    @initialize(places=st.integers(1, 3), ring_bytes=st.sampled_from([100, 100_000, NODE_RING_BYTES]))
    def begin(self, places: int, ring_bytes: int) -> None:
        async def start() -> None:
            self.time, self.history = FakeTime(), MemoryRoomHistory()
            self.nodes = [
                Node(self.time, self.history, ring_bytes=ring_bytes, places=places, replay_seconds=3_600)
                for _ in range(2)
            ]
            for node in self.nodes:
                await node.start()
                await node.rig.answer()
                # Somebody is always there, so that it remembers.
                node.rig.interest.on_rooms(ROOMS, ())
                await node.rig.answer()
            # Everybody was here, and has positions to come back with.
            for peer in self.clients:
                peer.joining = asyncio.create_task(self.nodes[0].join(peer.memberships, {}))
            await self._settle()

        self.run(start())

    # --- rules: events --------------------------------------------------------------------------------------------

    @rule(
        room=st.sampled_from(ROOMS),
        audiences=st.sampled_from([("branch:{}:admin",), ("session:77",), ("branch:{}:admin", "session:77")]),
        count=st.sampled_from([1, 1, 3, 8]),
        size=st.sampled_from(SIZES),
    )
    def relay(self, room: Room, audiences: Sequence[str], count: int, size: int) -> None:
        for _ in range(count):
            self.number += 1
            payload = json.dumps({"n": self.number, "x": "x" * size}).encode()
            names = tuple(name.format(room.branch) for name in audiences)
            event = self.history.relay(room, f"{self.number}-0", payload, *names)
            self.source[room].append(event)
            for line in self.on_their_way:
                line.append((room, event))

    @rule(node=st.integers(0, 1), count=st.sampled_from([1, 5, 1_000]))
    def deliver(self, node: int, count: int) -> None:
        async def receive() -> None:
            line = self.on_their_way[node]
            for _ in range(min(count, len(line))):
                room, event = line.pop(0)
                await self.nodes[node].rig.receive(room, event)

        self.run(receive())

    @rule(node=st.integers(0, 1), count=st.integers(1, 5))
    def lose(self, node: int, count: int) -> None:
        del self.on_their_way[node][:count]

    # --- rules: Redis and nodes -----------------------------------------------------------------------------------

    @rule(room=st.sampled_from(ROOMS), keep=st.sampled_from([0, 1, 3, 6]))
    def trim(self, room: Room, keep: int) -> None:
        if self.source[room]:
            self.history.trim(room, keep)

    @rule(away=st.booleans())
    def leave_or_come_back(self, away: bool) -> None:
        self.history.away = away

    @rule(slow=st.booleans())
    def answer_slowly_or_not(self, slow: bool) -> None:
        (self.history.hold_back if slow else self.history.let_go)()
        self.run(turns(3))

    @rule(node=st.integers(0, 1), room=st.sampled_from(ROOMS), permits=st.sampled_from([0, 2, None]))
    def fill_the_queue(self, node: int, room: Room, permits: int | None) -> None:
        if permits is None:
            self.nodes[node].fanout.permits.pop(room, None)
        else:
            self.nodes[node].fanout.permits[room] = permits

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 7.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.run(self._pass(seconds))

    # --- rules: clients -------------------------------------------------------------------------------------------

    @rule(client=st.integers(0, 2), node=st.integers(0, 1), forgets=st.sampled_from([(), (), (5,)]))
    def come(self, client: int, node: int, forgets: Sequence[int]) -> None:
        peer = self.clients[client]
        if peer.joined is not None or peer.joining is not None:
            return
        for branch in forgets:
            peer.positions.pop(branch, None)

        async def join() -> None:
            peer.joining = asyncio.create_task(self.nodes[node].join(peer.memberships, dict(peer.positions)))
            await self._settle()

        self.run(join())

    @rule(client=st.integers(0, 2), pages=st.sampled_from([1, 3, 1_000]))
    def read(self, client: int, pages: int) -> None:
        peer = self.clients[client]

        async def take() -> None:
            for _ in range(pages):
                if peer.joined is None or not await peer.joined.take():
                    break

        self.run(take())
        self._read(peer)

    @precondition(lambda self: any(peer.joined or peer.joining for peer in self.clients))
    @rule(client=st.integers(0, 2), unread=st.integers(0, 4))
    def go(self, client: int, unread: int) -> None:
        """The line is cut; the last messages did not get through."""
        peer = self.clients[client]

        async def leave() -> None:
            if peer.joining is not None:
                peer.joining.cancel()
                await asyncio.wait({peer.joining})
                # It may have been let in before that, in a step that nobody has looked at yet.
                if peer.joining.cancelled():
                    peer.joining = None
                else:
                    self._let_in(peer, peer.joining)
            if peer.joined is not None:
                self._read(peer, unread)
                peer.joined.node.leave(peer.joined.id)
                peer.joined = None
            await settle()

        self.run(leave())

    @rule(
        client=st.integers(0, 2),
        node=st.integers(0, 1),
        room=st.sampled_from(ROOMS),
        count=st.integers(3, 20),
        size=st.sampled_from(SIZES),
        heard=st.sampled_from([(0, 1), (0, 1), (0,), (1,)]),
        keep=st.sampled_from([None, None, 0, 2, 6]),
    )
    def come_back_after_much(
        self, *, client: int, node: int, room: Room, count: int, size: int, heard: Sequence[int], keep: int | None
    ) -> None:
        """What the rules above do by chance: away, then much to catch up with, on a node that heard of it or not."""
        self.go(client, unread=1)
        self.leave_or_come_back(away=False)
        self.answer_slowly_or_not(slow=False)
        self.relay(room, ("branch:{}:admin", "session:77"), count, size)
        for number in heard:
            self.fill_the_queue(number, room, None)
            self.deliver(number, 1_000)
        self.come(client, node, ())
        if keep is not None:
            self.trim(room, keep)
        self.relay(room, ("branch:{}:admin", "session:77"), 1, size)
        self.deliver(node, 1_000)
        self.read(client, 1)

    # --- inside ---------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        await settle()
        for node in self.nodes:
            await node.rig.answer()
        for peer in self.clients:
            if peer.joining is not None and peer.joining.done():
                self._let_in(peer, peer.joining)

    async def _pass(self, seconds: float) -> None:
        await self.time.pass_by(seconds)
        await self._settle()

    def _let_in(self, peer: Wanderer, task: asyncio.Task[Joined]) -> None:
        peer.joining = None
        try:
            peer.joined = task.result()
        except BrokerError:
            return
        peer.read = 0
        for room in ROOMS:
            position = peer.joined.positions[room.branch]
            assert position is not None
            if peer.joined.resumed.get(room.branch):
                assert position == peer.positions[room.branch]
            else:
                peer.log[room].append(At(_number(position)))
                peer.positions[room.branch] = position

    def _read(self, peer: Wanderer, unread: int = 0) -> None:
        if peer.joined is None:
            return
        got = peer.joined.got
        end = max(peer.read, len(got) - unread)
        for what in got[peer.read : end]:
            if what.startswith("{"):
                room = Room(7, json.loads(what)["branch"])
                peer.log[room].append(Told())
                continue
            room = next(room for room in ROOMS if any(event.position == what for event in self.source[room]))
            peer.log[room].append(Got(_number(Position(what))))
            peer.positions[room.branch] = Position(what)
        peer.read = end

    def _entitled(self, peer: Wanderer, room: Room) -> list[int]:
        names = frozenset(peer.names(room))
        return [_number(event.position) for event in self.source[room] if not names.isdisjoint(event.audiences)]

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def nobody_is_closed_for_a_fault_of_ours(self) -> None:
        for node in self.nodes:
            assert all(connection.closed is None for connection in node.fanout.connections.values())

    @invariant()
    def everything_comes_once_and_in_order_or_it_is_told(self) -> None:
        for peer in self.clients:
            for room, log in peer.log.items():
                self._check(peer, room, log)

    def _check(self, peer: Wanderer, room: Room, log: Sequence[At | Told | Got]) -> int | None:
        """Follow a log; up to where it is complete, None while nobody can say."""
        entitled = self._entitled(peer, room)
        complete: int | None = None
        last = 0
        for entry in log:
            match entry:
                case At(number):
                    complete = last = number
                case Told():
                    complete = None
                case Got(number):
                    assert number in entitled, (room, number, "is not for it")
                    assert number > last, (room, number, "comes again, or too late")
                    missing = [other for other in entitled if complete is not None and complete < other < number]
                    assert not missing, (room, missing, "are missing, and nothing was told")
                    complete = last = number
        return complete

    def teardown(self) -> None:
        try:
            self.run(self.quieten())
        finally:
            for node in self.nodes:
                self.run(node.stop())
            self.loop.close()

    async def quieten(self) -> None:
        """When all is well again everybody who comes back gets everything, or is told."""
        self.history.away = False
        self.history.let_go()
        for node in self.nodes:
            node.fanout.permits.clear()
        for line in self.on_their_way:
            line.clear()
        for _ in range(4):
            await self._take_all()
            await self._pass(10)
        for peer in self.clients:
            if peer.joined is None and peer.joining is None:
                peer.joining = asyncio.create_task(self.nodes[0].join(peer.memberships, dict(peer.positions)))
        for _ in range(4):
            await self._take_all()
            await self._pass(10)
        for peer in self.clients:
            assert peer.joined is not None, "nobody waits for ever"
            assert peer.joined.connection.live, "every resume ends"
            self._read(peer)
            for room, log in peer.log.items():
                complete = self._check(peer, room, log)
                missing = [
                    number for number in self._entitled(peer, room) if complete is not None and number > complete
                ]
                assert not missing, (room, missing, "never came")
        for node in self.nodes:
            assert node.resumes.running == 0

    async def _take_all(self) -> None:
        await self._settle()
        for peer in self.clients:
            if peer.joined is not None:
                await peer.joined.take_all()
        await self._settle()


def _number(position: Position) -> int:
    return 0 if position == ZERO else int(position.partition("-")[0])


ResumeMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestResumes = ResumeMachine.TestCase
