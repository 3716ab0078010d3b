"""A Pub/Sub server in memory, whose answers come when the test lets them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from gateway.broker.base import PubSubBatch, PubSubMessage
from gateway.errors import BrokerError


class FakePubSubConnection:
    """Keeps `broker.base.PubSubConnection`.

    The answers to commands wait until `answer` delivers them, in order, as they do behind a slow network. A real server
    carries a command out at some time between its writing and its answer: `written` is the state with the earliest
    time, `effective` with the latest. `stall` plays a full socket.
    """

    def __init__(self) -> None:
        self.commands: list[tuple[str, tuple[str, ...]]] = []
        self.written: set[str] = set()
        self.effective: set[str] = set()
        self.closed = False
        self._answers: deque[tuple[str, str]] = deque()
        self._ready: asyncio.Queue[PubSubBatch | BrokerError] = asyncio.Queue()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut: BrokerError | None = None

    # --- for the test -------------------------------------------------------------------------------------------

    @property
    def unanswered(self) -> int:
        """How many answers wait."""
        return len(self._answers)

    def answer(self, count: int | None = None) -> PubSubBatch:
        """Deliver the next answers, all by default, as one batch; also given back."""
        batch = PubSubBatch([], [], [], 0)
        pongs = 0
        for _ in range(len(self._answers) if count is None else min(count, len(self._answers))):
            kind, name = self._answers.popleft()
            if kind == "pong":
                pongs += 1
            elif kind == "subscribe":
                self.effective.add(name)
                batch.subscribed.append(name)
            else:
                self.effective.discard(name)
                batch.unsubscribed.append(name)
        batch = batch._replace(pongs=pongs)
        self._ready.put_nowait(batch)
        return batch

    def publish(self, *messages: tuple[str, bytes]) -> None:
        """Deliver messages, as one batch."""
        self._ready.put_nowait(PubSubBatch([PubSubMessage(*message) for message in messages], [], [], 0))

    def cut(self, why: str = "cut by the test") -> None:
        """End the connection: reads and writes fail from now on."""
        self._cut = BrokerError(why)
        self._ready.put_nowait(self._cut)
        self._flowing.set()

    def stall(self) -> None:
        """Let writers wait after they have written."""
        self._flowing.clear()

    def end(self, name: str) -> PubSubBatch:
        """End a subscription that nobody asked to end, as a cluster does when a slot moves; also given back."""
        self.written.discard(name)
        self.effective.discard(name)
        batch = PubSubBatch([], [], [], 0, (name,))
        self._ready.put_nowait(batch)
        return batch

    def flow(self) -> None:
        """Let writers go on."""
        self._flowing.set()

    # --- the port -----------------------------------------------------------------------------------------------

    async def subscribe(self, channels: Sequence[str]) -> None:
        self.written.update(channels)
        await self._write("subscribe", "subscribe", channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        self.written.difference_update(channels)
        await self._write("unsubscribe", "unsubscribe", channels)

    async def psubscribe(self, patterns: Sequence[str]) -> None:
        self.written.update(patterns)
        await self._write("psubscribe", "subscribe", patterns)

    async def ssubscribe(self, channels: Sequence[str]) -> None:
        self.written.update(channels)
        await self._write("ssubscribe", "subscribe", channels)

    async def sunsubscribe(self, channels: Sequence[str]) -> None:
        self.written.difference_update(channels)
        await self._write("sunsubscribe", "unsubscribe", channels)

    async def ping(self) -> None:
        await self._write("ping", "pong", ("",))

    async def read(self) -> PubSubBatch:
        got = await self._ready.get()
        if isinstance(got, BrokerError):
            raise got
        return got

    async def close(self) -> None:
        self.closed = True

    async def _write(self, command: str, answer: str, names: Sequence[str]) -> None:
        if self._cut is not None:
            raise self._cut
        self.commands.append((command, tuple(names)))
        self._answers.extend((answer, name) for name in names)
        await self._flowing.wait()


class FakeBroker:
    """Gives connections, or fails, as it is told."""

    def __init__(self) -> None:
        self.away = False
        self.attempts = 0
        self.connections: list[FakePubSubConnection] = []

    async def pubsub(self) -> FakePubSubConnection:
        self.attempts += 1
        if self.away:
            raise BrokerError("Redis is away")
        self.connections.append(FakePubSubConnection())
        return self.connections[-1]
