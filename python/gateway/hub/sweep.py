"""Looking at every connection once, page by page, because something may have been missed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import BrokerError
from gateway.fanout.base import ConnectionInfo, Fanout
from gateway.hub.background_work import STOP_SECONDS
from gateway.hub.revalidation import BATCH
from gateway.hub.rights import MEMORY_SECONDS
from gateway.ingest.end_task import end_task
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger
from gateway.types import Clock

PAUSE_SECONDS = 0.05
"""Between two pages: 5,000 connections a second. Many nodes find Redis again at the same time, and the 20,000
connections of one are seen within 4 s all the same."""

Visit = Callable[[Sequence[ConnectionInfo]], Awaitable[None]]
"""Looks at a page of connections; a BrokerError says to come again with the same page."""

_log = get_logger("gateway.hub.sweep")


class Sweep:
    """Shows all connections to its visitors, oldest first. For one event loop.

    It ends no earlier than `MEMORY_SECONDS` after it began, with those who were joining then: what their tokens were
    checked against may be older than what was missed.
    """

    def __init__(
        self,
        fanout: Fanout,
        visits: Sequence[Visit],
        *,
        jitter: DecorrelatedJitter,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter`: the waits before a page is shown again, and before the first one."""
        self._fanout = fanout
        self._visits = visits
        self._jitter = jitter
        self._clock = clock
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin, or begin again: what was seen before this call does not count."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._run(), name="rights-sweep")

    @property
    def under_way(self) -> bool:
        """Whether somebody is still to be seen."""
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        """Break off."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task, STOP_SECONDS)

    async def _run(self) -> None:
        until = self._clock.monotonic() + MEMORY_SECONDS
        await self._sleep(self._jitter.next())
        cursor = await self._pages(0)
        if (rest := until - self._clock.monotonic()) > 0:
            await self._sleep(rest)
        await self._pages(cursor)

    async def _pages(self, cursor: int) -> int:
        """Show everybody above the cursor; the cursor behind the last."""
        while True:
            page, following = self._fanout.list(None, cursor, BATCH)
            if page:
                cursor = page[-1].connection
                await self._show(page)
            if not following:
                return cursor
            await self._sleep(PAUSE_SECONDS)

    async def _show(self, page: Sequence[ConnectionInfo]) -> None:
        for visit in self._visits:
            while True:
                try:
                    await visit(page)
                except BrokerError:
                    await self._sleep(self._jitter.next())
                    continue
                except Exception:  # noqa: BLE001 - logged in full; the other pages are to be seen all the same
                    _log.exception("a page of connections could not be checked")
                self._jitter.reset()
                break
