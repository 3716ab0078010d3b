"""A node's live channels on a real server: real history, real subscription, a fan-out that notes everything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from gateway.broker.redis import create_broker
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.streams_base import RelayEntry, RoomBatch
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.live_subscriber import LiveSubscriber
from gateway.ingest.pubsub_link import LinkOptions
from gateway.protocol.keys import head_key, history_key, live_channel
from gateway.protocol.live import CriticalEvent, encode_live
from gateway.protocol.positions import ZERO, Position, position_of
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock, Room, SystemClock
from tests.support.live_rig import NotingFanout, NotingObserver

HASTE = 40.0
"""How much faster than the machine's clock time goes for whoever waits by the clock: 10 s are over in a quarter."""


class HastyClock:
    """Keeps `gateway.types.Clock`, and sleeps by it."""

    def monotonic(self) -> float:
        return time.monotonic() * HASTE

    def time(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / HASTE)


class LiveNode:
    """One node. Waits that are spaced by its clock are short; those for Redis are as long as they are."""

    def __init__(self, url: str, *, ping_interval: float = 15.0) -> None:
        clock = HastyClock()
        self.fanout = NotingFanout()
        self.observer = NotingObserver()
        self.broker = create_broker(url, breaker=_patient("commands", clock))
        self.commands = RedisCommands(url, _patient("history", clock))
        self.interest = LiveInterest(clock)
        self.subscriber = LiveSubscriber(
            self.broker,
            RedisHistory(self.commands),
            self.interest,
            self.fanout,
            LinkOptions(
                breaker=_patient("live", clock),
                jitter=DecorrelatedJitter(0.5, 2.0),
                clock=clock,
                ping_interval=ping_interval,
                answer_timeout=ping_interval,
                sleep=clock.sleep,
            ),
            drop_rate=EventDropRateTracker(clock),
            observer=self.observer,
        )

    def payloads(self, room: Room) -> list[bytes]:
        """What was submitted for a room."""
        return self.fanout.payloads(room)


def _patient(duty: str, clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(duty, clock, failures=1_000_000)


@asynccontextmanager
async def live_node(url: str, *rooms: Room, ping_interval: float = 15.0) -> AsyncIterator[LiveNode]:
    """A node that is live, with a member in each of these rooms."""
    node = LiveNode(url, ping_interval=ping_interval)
    await node.subscriber.start()
    try:
        async with asyncio.timeout(10):
            await node.subscriber.wait_live()
        if rooms:
            async with node.interest.hold(rooms):
                node.interest.on_rooms(rooms, ())
        yield node
    finally:
        await node.subscriber.stop()
        await node.broker.close()
        await node.commands.close()


class Relay:
    """The relay's script on a real server; it can also write what nobody hears of, as if the live message was lost."""

    def __init__(self, url: str) -> None:
        self._commands = RedisCommands(url, CircuitBreaker("relay", SystemClock(), failures=1_000_000))
        self._history = RedisHistory(self._commands)
        self._redis = self._commands.client
        self._milliseconds = int(time.time() * 1_000)

    async def relay(self, room: Room, *payloads: bytes) -> list[str]:
        """Relay events as the relay does; their ids."""
        entries = [RelayEntry(self._next_id(), (f"branch:{room.branch}:admin",), payload) for payload in payloads]
        await self._history.relay([RoomBatch(room, entries)], fence=1, refeed=False)
        return [entry.entry_id for entry in entries]

    async def relay_unheard(self, room: Room, payload: bytes) -> CriticalEvent:
        """Write history and head and publish nothing; gives what would have been published."""
        number = self._next_id()
        head: Any = await self._redis.get(head_key(room))  # bytes: nothing is decoded here
        prev = ZERO if head is None else Position(head.decode())
        event = CriticalEvent(position_of(number, payload), prev, (f"branch:{room.branch}:admin",), payload)
        fields = {"event": payload, "prev": prev, "audiences": ",".join(event.audiences)}
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(history_key(room), fields, id=number)  # type: ignore[arg-type]  # bytes are fine
            pipeline.set(head_key(room), event.position)
            await pipeline.execute()
        return event

    async def publish(self, room: Room, event: CriticalEvent) -> None:
        """Publish one live message."""
        await self._redis.spublish(live_channel(room), encode_live(event))

    async def trim(self, room: Room, keep: int) -> None:
        """Let history forget."""
        await self._redis.xtrim(history_key(room), maxlen=keep, approximate=False)

    async def close(self) -> None:
        await self._commands.close()

    def _next_id(self) -> str:
        self._milliseconds += 1
        return f"{self._milliseconds}-0"


@asynccontextmanager
async def relay_on(url: str) -> AsyncIterator[Relay]:
    relay = Relay(url)
    try:
        yield relay
    finally:
        await relay.close()


async def listeners(redis: Redis, room: Room) -> int:
    """How many connections hear a room's live channel."""
    [(_, count)] = await redis.pubsub_shardnumsub(live_channel(room))
    return int(count)


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that real servers bring about."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
