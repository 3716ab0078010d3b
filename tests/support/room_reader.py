"""A reader that follows a room by the one rule, as a node does; the measure of whether something was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from gateway.broker.streams_base import RoomHistory
from gateway.protocol.keys import live_channel
from gateway.protocol.live import CriticalEvent, decode_live
from gateway.protocol.positions import ZERO, Position
from gateway.types import Room
from tests.support.relay_rig import PATIENCE_SECONDS


class RoomReader:
    """Subscribes first, reads the head second; repairs from history whenever `prev` is not its cursor."""

    def __init__(self, url: str, history: RoomHistory, room: Room) -> None:
        self._redis = Redis.from_url(url, socket_timeout=None)
        self._pubsub: Any = self._redis.pubsub()
        self._history = history
        self.room = room
        self.cursor = ZERO
        self.got: list[CriticalEvent] = []
        self.told: list[int] = []
        """How much it had got each time that it was told that something may be missing."""
        self.on_told: Callable[[], None] = lambda: None

    async def start(self, position: Position | None = None) -> None:
        """Begin at the head, or resume from a position."""
        await self._pubsub.ssubscribe(live_channel(self.room))
        await self._until("ssubscribe")
        (head,) = await self._history.heads([self.room])
        self.cursor = position or head or ZERO
        await self.check()

    async def close(self) -> None:
        await self._pubsub.aclose()
        await self._redis.aclose()

    async def pump(self, dropped: Callable[[], bool] = lambda: False) -> None:
        """Take everything that has been published so far; a message for which `dropped()` is true never came."""
        await self._pubsub.ping()
        for data in await self._until("pong"):
            if not dropped():
                await self._take(data)

    async def check(self) -> None:
        """The periodic comparison with the head."""
        (head,) = await self._history.heads([self.room])
        if (head or ZERO) != self.cursor:
            await self._repair()

    async def _take(self, data: bytes) -> None:
        event = decode_live(data)
        assert isinstance(event, CriticalEvent)
        if event.prev == self.cursor:
            self._pass_on(event)
        elif not self._seen(event):
            await self._repair()

    async def _repair(self) -> None:
        page = await self._history.after(self.room, self.cursor, 2)
        if not page.known:
            self.cursor = page.head
            self.told.append(len(self.got))
            self.on_told()
            return
        for event in page.entries:
            self._pass_on(event)
        if page.more:
            await self._repair()

    def _pass_on(self, event: CriticalEvent) -> None:
        self.cursor = event.position
        # History that was begun anew may lead over events that are known already.
        if not self._seen(event):
            self.got.append(event)

    def _seen(self, event: CriticalEvent) -> bool:
        return any(known.position == event.position and known.payload == event.payload for known in self.got[-256:])

    async def _until(self, kind: str) -> list[bytes]:
        """Live messages up to an answer: Redis sends both in order."""
        messages: list[bytes] = []
        while True:
            message = await self._pubsub.get_message(timeout=PATIENCE_SECONDS)
            assert message is not None, f"no {kind} within {PATIENCE_SECONDS:g} s"
            if message["type"] == kind:
                return messages
            if message["type"] == "smessage":
                messages.append(message["data"])
