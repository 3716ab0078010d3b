"""Relays for tests: built as the gateway builds them, counted, and stopped between any two steps."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.redis_source import RedisSource
from gateway.broker.streams_base import DeadLetter, PendingEntry, RelayResult, RoomBatch, SourceEntry
from gateway.ingest.relay_base import NullRelayObserver, RelayNumbers
from gateway.ingest.stream_consumer import StreamConsumer
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Room, SystemClock

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
"""How long a test that is not about time waits for what takes milliseconds. A busy machine may stand still for longer
than the product, or redis-py, would wait for Redis; the tests' own time-out is behind this."""


def critical_event(room: Room, number: int, kind: str = "ROUND_READY", **members: object) -> bytes:
    """An event as a back end writes it."""
    event = {"type": kind, "tenant_id": room.tenant, "branch_id": room.branch, "n": number, **members}
    return json.dumps(event).encode()


class CountingObserver(NullRelayObserver):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.held: list[bool] = []

    def on_lease(self, *, held: bool) -> None:
        self.held.append(held)

    def on_relayed(self, added: int, repeats: int) -> None:
        self.counts.update(added=added, repeats=repeats)

    def on_refed(self, entries: int, added: int) -> None:
        self.counts.update(refed=entries, refed_added=added)

    def on_history_begun(self, times: int) -> None:
        self.counts.update(begun=times)

    def on_dead_letter(self, reason: str, entries: int) -> None:
        self.counts.update({f"dlq:{reason}": entries})

    def on_lost_at_source(self, entries: int) -> None:
        self.counts.update(lost_at_source=entries)


def build_relay(
    url: str,
    *,
    kind: type[StreamConsumer] = StreamConsumer,
    node: str = "node-1",
    observer: CountingObserver | None = None,
    numbers: RelayNumbers | None = None,
    history_seconds: float = 3_600.0,
    wait_replicas: int = 0,
    routing: RoutingTable | None = None,
    timeout: float = 5.0,
    **options: Any,
) -> Any:
    """A relay with its own connection; `kind` is the class, a subclass in fault tests."""
    numbers = numbers or RelayNumbers()
    # Opens as every breaker does, but for no time: what is tested is what the relay does, not how long it waits.
    breaker = CircuitBreaker("relay", SystemClock(), open_seconds=0)
    commands = RedisCommands(url, breaker, timeout=timeout, max_connections=1)
    return kind(
        RedisSource(commands, lease_seconds=numbers.lease, wait_replicas=wait_replicas, wait_seconds=0.2),
        RedisHistory(commands, events=numbers.history_events, history_seconds=history_seconds),
        routing or RoutingTable(),
        node=node,
        breaker=breaker,
        jitter=options.pop("jitter", DecorrelatedJitter(base=0.01, cap=0.05)),
        observer=observer or CountingObserver(),
        clock=SystemClock(),
        numbers=numbers,
        **options,
    )


class SteppedRelay(StreamConsumer):
    """Stops before and after every step, until `step` lets it go on to the next stop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, sleep=self._pause)
        self.at = "not started"
        self._arrived = asyncio.Event()
        self._go = asyncio.Event()

    async def step(self) -> str:
        """Go on to the next stop; its name."""
        if self._task is None:
            await self.start()
        self._arrived.clear()
        self._go.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._arrived.wait()
        return self.at

    async def crash(self) -> None:
        """End without giving the lease up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _stop_at(self, name: str) -> None:
        self.at = name
        self._arrived.set()
        await self._go.wait()
        self._go.clear()

    async def _pause(self, _seconds: float) -> None:
        await self._stop_at("sleep")

    async def _around(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        await self._stop_at(f"before {name}")
        result = await call()
        await self._stop_at(f"after {name}")
        return result

    # --- the steps ----------------------------------------------------------------------------------------------

    async def take_lease(self) -> bool:
        return await self._around("take_lease", super().take_lease)

    async def raise_fence(self, above: int) -> None:
        await self._around("raise_fence", lambda: super(SteppedRelay, self).raise_fence(above))

    async def ensure_group(self) -> bool:
        return await self._around("ensure_group", super().ensure_group)

    async def list_pending(self) -> list[PendingEntry]:
        return await self._around("list_pending", super().list_pending)

    async def read_recent(self, after: str | None) -> list[SourceEntry]:
        return await self._around("read_recent", lambda: super(SteppedRelay, self).read_recent(after))

    async def claim(self, entry_id: str) -> SourceEntry | None:
        return await self._around("claim", lambda: super(SteppedRelay, self).claim(entry_id))

    async def read(self, done: Sequence[str]) -> tuple[list[SourceEntry], str]:
        return await self._around("read", lambda: super(SteppedRelay, self).read(done))

    async def write_rooms(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        return await self._around("write_rooms", lambda: super(SteppedRelay, self).write_rooms(batches, refeed=refeed))

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        await self._around("bury", lambda: super(SteppedRelay, self).bury(letters))

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        await self._around("acknowledge", lambda: super(SteppedRelay, self).acknowledge(entry_ids))

    async def trim(self) -> None:
        await self._around("trim", super().trim)

    async def wait(self, after: str) -> None:
        # A wait that finds something returns at once, and one that finds nothing consumes nothing.
        await self._stop_at("wait")
