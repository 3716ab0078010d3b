"""How much is submitted before the fan-out's workers have a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from gateway.fanout.base import MAX_ROOM_BROADCASTS, CoreStats
from gateway.types import Clock

Item = TypeVar("Item")

BATCH_EVENTS = MAX_ROOM_BROADCASTS // 2
"""Events submitted before the workers have a turn: half of what one room may have under way."""

PATIENCE_SECONDS = 0.005
"""Longest wait for the workers after a batch. At some 30 KB a batch Redis is still read at several MB/s then, and its
32 MB for a slow subscriber last through any burst that a node can serve at all."""


class Workers(Protocol):
    """The part of the fan-out that is looked at."""

    def stats(self) -> CoreStats:
        """See `fanout.base.Fanout.stats`."""
        ...


class WorkerPace:
    """Keeps one way in from running far ahead of the workers. For one event loop.

    Args:
        fanout: whose events under way are looked at.
        clock: `monotonic` is used.
    """

    def __init__(self, fanout: Workers, clock: Clock) -> None:
        self._fanout = fanout
        self._clock = clock

    async def in_batches(self, items: Sequence[Item], pass_on: Callable[[Sequence[Item]], None]) -> None:
        """Pass on what one read brought, `BATCH_EVENTS` at a time, and let the workers run behind each."""
        for start in range(0, len(items), BATCH_EVENTS):
            pass_on(items[start : start + BATCH_EVENTS])
            await self.let_workers_run()

    async def let_workers_run(self) -> None:
        """Give the workers of this loop a turn, and a few more while they are far behind.

        Without it one read of small events could take all permits of a room at once, and the rest of a burst that
        everybody could have had would be refused. It is bounded, because who reads Redis too slowly is cut off by it.
        """
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        await asyncio.sleep(0)
        # Polled: who is far behind is about to run, and an event for "no longer far behind" would cost every broadcast.
        while (  # noqa: ASYNC110
            self._fanout.stats().broadcasts_in_flight > BATCH_EVENTS and self._clock.monotonic() < deadline
        ):
            await asyncio.sleep(0)
