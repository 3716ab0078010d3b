"""Looks at Redis every now and then, for the metrics."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from gateway.errors import BrokerError
from gateway.telemetry.redis_base import RedisReader
from gateway.telemetry.redis_metrics import RedisMetrics

READ_SECONDS: Final = 15.0
"""Between two readings, on average: as often as Prometheus scrapes by default."""

SPREAD: Final = 0.2
"""By how much, up or down, so that many nodes do not ask at the same moment."""

_log = logging.getLogger("gateway.telemetry")

_T = TypeVar("_T")


class RedisMonitor:
    """Reads memory, slow log and source. For one event loop.

    Every node reads for itself, whether it is the relay or not: five short commands in 15 s cost Redis nothing even
    from a hundred nodes, a scrape does not depend on who holds the lease, and nodes that see different servers, as in a
    failover, say so.

    What cannot be read is logged once, and again when the reason changes: a user without `slowlog|get` is no reason to
    fill a log.

    Args:
        reader: behind the breaker of commands.
        metrics: is told.
        sleep: waits for some seconds; tests hand in one that does not.
        uniform: draws a float between two bounds.
    """

    def __init__(
        self,
        reader: RedisReader,
        metrics: RedisMetrics,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._reader = reader
        self._metrics = metrics
        self._sleep = sleep
        self._uniform = uniform
        self._said: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background, with a reading at once."""
        self._task = asyncio.create_task(self._run(), name="redis-monitor")

    async def stop(self) -> None:
        """End; what is being read is given up."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def read(self) -> None:
        """Read everything once; what fails is counted, and leaves the others be."""
        self._metrics.on_memory(await self._try("memory", self._reader.memory))
        self._metrics.on_slow_commands(await self._try("slow log", self._reader.slow_commands))
        self._metrics.on_source(await self._try("source", self._reader.source))

    async def _try(self, what: str, ask: Callable[[], Awaitable[_T]]) -> _T | None:
        try:
            answer = await ask()
        except BrokerError as error:
            self._metrics.on_failed()
            why = str(error)
            if self._said.get(what) != why:
                self._said[what] = why
                _log.info("the %s of Redis cannot be shown: %s", what, why)
            return None
        self._said.pop(what, None)
        return answer

    async def _run(self) -> None:
        while True:
            try:
                await self.read()
            except Exception:  # noqa: BLE001 - logged in full; one strange answer must not end the readings
                _log.exception("Redis could not be looked at")
            await self._sleep(READ_SECONDS * self._uniform(1 - SPREAD, 1 + SPREAD))
