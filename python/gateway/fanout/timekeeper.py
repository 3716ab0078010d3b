"""The task that sleeps until something falls due."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

MAX_SLEEP = 1.0
"""Seconds between two looks at the deadlines at most. Expiry goes by the wall clock, which an administrator or NTP may
set forward while we sleep; a connection then outlives its token by no more than this."""

_MIN_SLEEP = 0.001
"""Seconds. Timers may fire a clock tick early; without a floor the task would spin until the deadline is there."""

logger = logging.getLogger("gateway.fanout")


class Timekeeper:
    """Calls `tick` when the next deadline has come. Event loop only.

    It knows no clock but the loop's timer: what is due is decided by `tick`, which tests call themselves.
    """

    def __init__(self, tick: Callable[[], None], seconds_to_next: Callable[[], float | None]) -> None:
        self._tick = tick
        self._seconds_to_next = seconds_to_next
        self._sooner = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task on the running loop."""
        self._task = asyncio.create_task(self.heartbeat_cleanup(), name="gateway-heartbeat")

    async def stop(self) -> None:
        """Stop the task and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def look_again(self) -> None:
        """A deadline was set that may be earlier than the one slept for."""
        self._sooner.set()

    async def heartbeat_cleanup(self) -> None:
        """Sleep, tick, for ever (the seed's name). A tick that fails is logged and does not end it."""
        while True:
            self._sooner.clear()
            wait = self._seconds_to_next()
            seconds = MAX_SLEEP if wait is None else min(max(wait, _MIN_SLEEP), MAX_SLEEP)
            try:
                async with asyncio.timeout(seconds):
                    await self._sooner.wait()
            except TimeoutError:
                pass
            try:
                self._tick()
            except Exception:
                logger.exception("closing the connections that are due failed; going on with the next deadline")
