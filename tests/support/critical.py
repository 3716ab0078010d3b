"""A back end that writes critical events by the hundred, and a client that keeps its positions as it should."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from redis.asyncio import Redis

from tests.support.clients import Client, welcomed


async def emit_all(redis: Redis, events: Sequence[Mapping[str, Any]]) -> list[str]:
    """Add events to the source in one round trip; their ids."""
    async with redis.pipeline(transaction=False) as pipeline:
        for event in events:
            pipeline.xadd("events:critical", {"event": json.dumps(event)})
        return [entry_id.decode() for entry_id in await pipeline.execute()]


@dataclass
class Returning:
    """A client that comes and goes, and may come to another node each time.

    Attributes:
        positions: branch to the last position that it was given.
        log: ids of the events that it got, and `gap` where it was told that something may be missing.
    """

    path: str
    token: str
    positions: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def resume(self) -> str:
        return ",".join(f"{branch}:{position}" for branch, position in self.positions.items())

    @asynccontextmanager
    async def connected(self, url: str, **options: Any) -> AsyncIterator[Client]:
        """Connect with what it has; a branch that is not resumed, and one that it did not ask for, is in the log."""
        async with welcomed(url, self.path, self.token, resume=self.resume or None, **options) as peer:
            resumed = peer.welcome.get("resumed", {})
            for branch in self.positions:
                if not resumed.get(branch):
                    self.log.append("gap")
            self.positions = dict(peer.welcome["positions"])
            try:
                yield peer
            finally:
                # Cut, as in a tunnel. A close handshake would wait behind what was never read, too.
                peer.connection.transport.abort()

    def got_exactly(self, expected: Sequence[str]) -> bool:
        """Whether it got these and nothing else; a plain comparison of thousands would explain itself for minutes."""
        pairs = enumerate(zip_longest(self.log, expected))
        differs = next(((at, got, sent) for at, (got, sent) in pairs if got != sent), None)
        assert differs is None, f"of {len(self.log)} and {len(expected)} differs the first: {differs}"
        return True

    async def hear(self, peer: Client, last: str, seconds: float = 30.0) -> None:
        """Take messages until the event with this id has come."""
        async with asyncio.timeout(seconds):
            while last not in self.log[-1:]:
                await self._next(peer)

    async def hear_some(self, peer: Client, count: int) -> None:
        """Take so many messages."""
        for _ in range(count):
            await self._next(peer)

    async def _next(self, peer: Client) -> str:
        message = await peer.json()
        while message["type"] == "pong":
            message = await peer.json()
        if message["type"] == "gap":
            assert message["critical"] is True
            self.log.append("gap")
        else:
            self.log.append(message["event_id"])
            self.positions[str(message["branch_id"])] = message["position"]
        return self.log[-1]
