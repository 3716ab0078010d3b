"""Work that is done in the background while something waits, and put off while Redis is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.ingest.end_task import end_task
from gateway.resilience.jitter import DecorrelatedJitter

STOP_SECONDS = 5.0
"""How long a stop waits for a step to end."""


class BackgroundWork:
    """Repeats a step as long as there is something to do, and sleeps until it is woken. For one event loop.

    Args:
        name: of the task.
        pending: whether something waits.
        step: does some of it; it must not raise, and either lessens what waits or awaits `put_off`.
        jitter: the waits before Redis is asked again.
        sleep: waits; tests hand in one that does not.
    """

    def __init__(
        self,
        name: str,
        pending: Callable[[], bool],
        step: Callable[[], Awaitable[None]],
        *,
        jitter: DecorrelatedJitter,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._name = name
        self._pending = pending
        self._step = step
        self._jitter = jitter
        self._sleep = sleep
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to do; returns at once."""
        self._wake.set()

    async def put_off(self) -> None:
        """Redis cannot be asked: wait a while."""
        await self._sleep(self._jitter.next())

    def succeeded(self) -> None:
        """Redis has answered: the next wait is a short one."""
        self._jitter.reset()

    async def start(self) -> None:
        """Begin; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, whatever waits."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task, STOP_SECONDS)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending():
                await self._step()
