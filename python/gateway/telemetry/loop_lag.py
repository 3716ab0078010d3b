"""How late the event loop is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.types import Clock

PERIOD: Final = 0.5
"""Seconds between two looks."""

LAG_BUCKETS: Final = (*(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),)
"""Seconds: from an idle loop, which wakes half a millisecond late, to one that has been blocked."""


class LoopLag:
    """Sleeps, and looks how much too late it wakes: so late is everything on this loop. For one event loop.

    Args:
        observe: is told the seconds by which it was late.
        clock: `monotonic` is used.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        observe: Callable[[float], None],
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name="loop-lag")

    async def stop(self) -> None:
        """End."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            due = self._clock.monotonic() + PERIOD
            await self._sleep(PERIOD)
            self._observe(max(0.0, self._clock.monotonic() - due))
