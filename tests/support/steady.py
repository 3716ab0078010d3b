"""A producer that never gives up, and a client that notes everything: for tests of what faults cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from gateway.client import AsyncPublisher
from tests.support.clients import Client, welcomed
from tests.support.tokens import staff_token

AWAY = (RedisError, RedisClusterException, OSError)


class SteadyProducer:
    """Emits numbered critical events of some rooms one after the other, each until Redis has taken it."""

    def __init__(self, url: str, branches: tuple[int, ...] = (5,), pause: float = 0.01) -> None:
        self.emitted: dict[int, list[int]] = {branch: [] for branch in branches}
        self.failures = 0
        self._publisher = AsyncPublisher.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
        self._pause = pause
        self._number = 0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def emit(self, branch: int, number: int) -> None:
        event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": branch, "n": number}
        while True:
            try:
                # Whether a failed attempt was carried out is not known: the key makes the next one harmless.
                await self._publisher.emit(event, key=f"steady-{branch}-{number}")
            except AWAY:
                self.failures += 1
                await asyncio.sleep(0.05)
            else:
                return

    async def emit_again(self, last: int) -> None:
        """What a producer does after a failover that may have cost Redis its last writes."""
        for branch, numbers in self.emitted.items():
            for number in numbers[-last:]:
                await self.emit(branch, number)

    async def _run(self) -> None:
        while not self._stopping:
            for branch, numbers in self.emitted.items():
                self._number += 1
                await self.emit(branch, self._number)
                numbers.append(self._number)
            await asyncio.sleep(self._pause)

    async def __aenter__(self) -> SteadyProducer:  # noqa: PYI034 - never subclassed
        self._task = asyncio.create_task(self._run())
        return self

    async def stop(self) -> None:
        """No more events; what was begun is finished."""
        # Not cancelled: before Python 3.12 the client library may swallow a cancellation.
        self._stopping = True
        if self._task is not None:
            async with asyncio.timeout(30):
                await self._task

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._publisher.close()


class Recorder:
    """A kitchen of one branch that notes all that it is told."""

    def __init__(self, peer: Client) -> None:
        self.events: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self._task = asyncio.create_task(self._listen(peer))

    @property
    def numbers(self) -> list[int]:
        return [event["n"] for event in self.events]

    async def until(self, numbers: list[int], seconds: float = 30.0) -> None:
        """Return when every one of these has come."""
        async with asyncio.timeout(seconds):
            while not set(numbers) <= set(self.numbers):
                if self._task.done():
                    self._task.result()
                await asyncio.sleep(0.05)

    def check(self, numbers: list[int]) -> None:
        """Everything came, once, in order, and nothing was announced as missing."""
        ids = [event["event_id"] for event in self.events]
        assert len(ids) == len(set(ids)), "none twice"
        assert ids == sorted(ids, key=lambda number: tuple(map(int, number.split("-")))), "in the order of the source"
        assert set(numbers) <= set(self.numbers)
        assert [other for other in self.others if other["type"] == "gap"] == []

    async def _listen(self, peer: Client) -> None:
        async for text in peer.connection:
            message = json.loads(text)
            (self.events if "event_id" in message else self.others).append(message)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def recorder(ws: str, branch: int = 5) -> AsyncIterator[Recorder]:
    """A connected kitchen."""
    async with welcomed(ws, "/ws/kitchen", staff_token("KITCHEN", user=f"cook-{branch}", branches=(branch,))) as peer:
        recording = Recorder(peer)
        try:
            yield recording
        finally:
            await recording.stop()
