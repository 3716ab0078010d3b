"""Back ends: one task per room and way in, sending all the while."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.client import AsyncPublisher
from gateway.protocol.keys import SOURCE
from tests.faults.ledger import Ledger, Sent
from tests.faults.seat import BRANCHES, SECTOR, SESSION, TENANT

RETRY_SECONDS = 0.05
SOCKET_SECONDS = 2.0
"""After which a back end takes Redis for gone, and asks again."""

PADDING = "x" * 100

Emit = Callable[[Sent, str], Awaitable[str]]
"""Adds an event under an idempotency key; gives the stream id."""


def _event(kind: str, branch: int, **members: Any) -> dict[str, Any]:
    return {"type": kind, "tenant_id": TENANT, "branch_id": branch, "padding": PADDING, **members}


def critical_events(branch: int) -> Iterator[dict[str, Any]]:
    """For ever; each kind of routing by turns."""
    return itertools.cycle(
        [
            _event("ROUND_READY", branch, session_id=SESSION, sector_id=SECTOR),
            _event("CHECK_PAID", branch, session_id=SESSION, sector_id=SECTOR),
            _event("ROUND_SUBMITTED", branch, sector_id=SECTOR),
            _event("TABLE_CLEARED", branch, session_id=SESSION),
            _event("SERVICE_CALL_CREATED", branch),
        ]
    )


def best_effort_events(branch: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """For ever; channels with their events by turns."""
    events = [
        (f"branch:{branch}:admin", _event("ENTITY_UPDATED", branch)),
        (f"branch:{branch}:waiters", _event("TABLE_STATUS_CHANGED", branch)),
        (f"branch:{branch}:kitchen", _event("TICKET_READY", branch)),
    ]
    if branch == 5:
        # Ids of sectors and sessions are the tenant's, not the branch's.
        events.append((f"sector:{SECTOR}:waiters", _event("ROUND_CONFIRMED", branch, sector_id=SECTOR)))
        events.append((f"session:{SESSION}", _event("CART_SYNC", branch, session_id=SESSION)))
    return itertools.cycle(events)


class Producers:
    """Sends until it is stopped. For one event loop.

    A critical event is offered with its key until Redis has said yes, as an outbox does it; nothing of its room is
    offered before that. A best-effort event is offered once.

    Args:
        ledger: where everything is noted.
        url: of Redis, past every proxy.
        every: seconds between two events of one task.
        branches: the rooms.
    """

    def __init__(self, ledger: Ledger, url: str, *, every: float, branches: tuple[int, ...] = BRANCHES) -> None:
        self.ledger = ledger
        self.every = every
        self.emit: Emit = self.emit_by_publisher
        self._branches = branches
        self._url = url
        self._publisher = self._open(url)
        self._closing: list[AsyncPublisher] = []
        # One producer at a time per room and way in, so that the ledger's order is the room's.
        self._turn = {(branch, critical): asyncio.Lock() for branch in branches for critical in (True, False)}
        self._stopping = False
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to send."""
        self._running = [
            asyncio.create_task(produce(branch))
            for branch in self._branches
            for produce in (self._critical, self._best_effort)
        ]

    async def stop(self) -> None:
        """Send no more; returns when Redis has accepted what was offered last."""
        self._stopping = True
        async with asyncio.timeout(60):
            await asyncio.gather(*self._running)
        for publisher in (*self._closing, self._publisher):
            await publisher.close()

    async def abort(self) -> None:
        """End at once, whatever is under way; for a test that has failed. After `stop` it does nothing."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for publisher in (*self._closing, self._publisher):
            await publisher.close()

    def go_to(self, url: str) -> None:
        """Send to another server from now on, as back ends do after a failover."""
        self._closing.append(self._publisher)
        self._url, self._publisher = url, self._open(url)

    async def flood(self, branch: int, count: int, *, channel: str | None = None, padding: int = 0) -> None:
        """Send many events of one room at once, in one pipeline: to the stream, or to a channel. Redis must be there.

        Args:
            branch: the room.
            count: how many.
            channel: None for critical ones.
            padding: bytes that each event is longer by.
        """
        loop = asyncio.get_running_loop()
        # A type that every audience of its kind may see, so that the flood reaches all.
        event = _event("PRODUCT_AVAILABILITY_CHANGED" if channel is None else "ENTITY_UPDATED", branch)
        event["padding"] += "x" * padding
        async with self._turn[branch, channel is None], Redis.from_url(self._url) as redis:
            pipeline: Any = redis.pipeline(transaction=False)
            lines = []
            for _ in range(count):
                sent = self.ledger.enter(event, channel, loop.time())
                if channel is None:
                    pipeline.xadd(SOURCE, {"event": sent.payload})
                else:
                    pipeline.publish(channel, sent.payload)
                lines.append(sent)
            for sent, answer in zip(lines, await pipeline.execute(), strict=True):
                sent.accepted = loop.time()
                if channel is None:
                    sent.entry_id = answer.decode()

    async def emit_by_publisher(self, sent: Sent, key: str) -> str:
        """As a back end does it."""
        return await self._publisher.emit(sent.event, key)

    async def _critical(self, branch: int) -> None:
        for event in critical_events(branch):
            if self._stopping:
                return
            async with self._turn[branch, True]:
                await self._insist(event)
            await asyncio.sleep(self.every)

    async def _insist(self, event: Mapping[str, Any]) -> Sent:
        loop = asyncio.get_running_loop()
        sent = self.ledger.enter(event, None, loop.time())
        while sent.accepted is None:
            try:
                sent.entry_id = await self.emit(sent, f"fault-{sent.number}")
                sent.accepted = loop.time()
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_SECONDS)
        return sent

    async def _best_effort(self, branch: int) -> None:
        loop = asyncio.get_running_loop()
        for channel, event in best_effort_events(branch):
            if self._stopping:
                return
            async with self._turn[branch, False]:
                sent = self.ledger.enter(event, channel, loop.time())
                # Where it fails, nobody knows whether it was published.
                with suppress(RedisError, OSError):
                    await self._publisher.publish(channel, sent.event)
                    sent.accepted = loop.time()
            await asyncio.sleep(self.every)

    @staticmethod
    def _open(url: str) -> AsyncPublisher:
        return AsyncPublisher.from_url(url, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS)
