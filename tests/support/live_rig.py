"""A live subscriber among fakes: Redis in memory, a fan-out that notes everything, time that the test moves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from gateway.fanout.base import CoreStats, Submission
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.live_base import RepairCause
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.live_subscriber import LiveSubscriber
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.room_ring import NODE_RING_BYTES, RingBudget
from gateway.protocol.keys import live_channel
from gateway.protocol.live import LiveMessage, encode_live
from gateway.protocol.positions import Position
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Room
from tests.support.clock import FakeClock
from tests.support.fake_pubsub import FakeBroker, FakePubSubConnection
from tests.support.memory_history import MemoryRoomHistory
from tests.support.noting_observer import NotingIngestObserver
from tests.support.settle import settle


class Announcement(NamedTuple):
    """What the members of a room were told."""

    room: Room
    text: str
    position: Position


class NotingFanout:
    """Keeps `ingest.live_base.RoomFanout`; refuses a room that is said to be full, or has its last permits."""

    def __init__(self) -> None:
        self.passed: list[Submission | Announcement] = []
        self.batches = 0
        self.permits: dict[Room, int] = {}
        self.fault: Exception | None = None

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        if self.fault is not None:
            raise self.fault
        self.batches += 1
        answers: list[bool] = []
        refused: set[Room] = set()
        for item in items:
            accepted = item.room not in refused and self._take(item.room)
            answers.append(accepted)
            if accepted:
                self.passed.append(item)
            else:
                refused.add(item.room)
        return answers

    def announce(self, room: Room, text: str, position: Position) -> bool:
        if not self._take(room):
            return False
        self.passed.append(Announcement(room, text, position))
        return True

    def stats(self) -> CoreStats:
        return CoreStats(0, 0, 0, 0, 0, 0)

    def payloads(self, room: Room) -> list[bytes]:
        """What was submitted for a room, in order."""
        return [item.payload for item in self.passed if isinstance(item, Submission) and item.room == room]

    @property
    def announcements(self) -> list[Announcement]:
        return [item for item in self.passed if isinstance(item, Announcement)]

    def _take(self, room: Room) -> bool:
        left = self.permits.get(room)
        if left is None:
            return True
        self.permits[room] = max(0, left - 1)
        return left > 0


class NotingObserver(NotingIngestObserver):
    """Keeps `ingest.live_base.LiveObserver`."""

    def __init__(self) -> None:
        super().__init__()
        self.repairs: Counter[RepairCause] = Counter()
        self.gaps = 0
        self.behind = 0
        self.most_behind = 0

    def on_repair(self, cause: RepairCause) -> None:
        self.repairs[cause] += 1

    def on_gap(self) -> None:
        self.gaps += 1

    def on_behind(self, rooms: int) -> None:
        self.behind = rooms
        self.most_behind = max(self.most_behind, rooms)


class FakeTime(FakeClock):
    """A clock whose sleepers wake when it is moved past their time."""

    def __init__(self) -> None:
        super().__init__()
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        waking: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.monotonic() + seconds, waking))
        await waking

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, from one sleeper's hour to the next."""
        end = self.monotonic() + seconds
        while True:
            await settle()
            self._sleepers = [sleeper for sleeper in self._sleepers if not sleeper[1].done()]
            due = min((at for at, _ in self._sleepers if at <= end), default=None)
            if due is None:
                break
            self.advance(max(0.0, due - self.monotonic()))
            for at, waking in self._sleepers:
                if at <= due and not waking.done():
                    waking.set_result(None)
        self.advance(max(0.0, end - self.monotonic()))
        await settle()


class LiveRig:
    """Everything, wired as the composition root wires it."""

    def __init__(
        self,
        time: FakeTime | None = None,
        history: MemoryRoomHistory | None = None,
        fanout: NotingFanout | None = None,
        ring_bytes: int = NODE_RING_BYTES,
    ) -> None:
        """Nodes that share a server are given one time and one history; with few `ring_bytes` they remember little."""
        self.time = time or FakeTime()
        self.broker = FakeBroker()
        self.history = history or MemoryRoomHistory()
        self.fanout = fanout or NotingFanout()
        self.observer = NotingObserver()
        self.drop_rate = EventDropRateTracker(self.time)
        # No real time passes here that a hold may be measured by.
        self.interest = LiveInterest(self.time, timeout=3_600, budget=RingBudget(ring_bytes))
        self.subscriber = LiveSubscriber(
            self.broker,  # type: ignore[arg-type]  # the part of it that is used
            self.history,
            self.interest,
            self.fanout,
            LinkOptions(
                breaker=CircuitBreaker("live", self.time),
                jitter=DecorrelatedJitter(1, 30, lambda low, high: high),
                clock=self.time,
                # The reader's time-outs are real time, of which there is none here.
                ping_interval=3_600,
                answer_timeout=3_600,
                sleep=self.time.sleep,
            ),
            drop_rate=self.drop_rate,
            observer=self.observer,
            uniform=lambda low, high: (low + high) / 2,
        )

    @property
    def connection(self) -> FakePubSubConnection:
        return self.broker.connections[-1]

    async def answer(self) -> None:
        """Let Redis answer all that it was asked, and all that this leads to."""
        await settle()
        while not self.connection.closed and self.connection.unanswered:
            self.connection.answer()
            await settle()

    async def occupy(self, *rooms: Room) -> None:
        """Members come into rooms that were empty; Redis confirms them and gives their heads."""
        self.interest.on_rooms(rooms, ())
        await self.answer()

    async def receive(self, room: Room, *messages: LiveMessage) -> None:
        """Live messages of a room come, in one read."""
        self.connection.publish(*((live_channel(room), encode_live(message)) for message in messages))
        await settle()
