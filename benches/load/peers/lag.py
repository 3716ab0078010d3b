"""How late an event loop is: what anything else that runs on it, an HTTP request say, has to wait."""

from __future__ import annotations

import asyncio
import math
import time

PAUSE = 0.002
"""Seconds between two looks. uvloop's timers count whole milliseconds, so at rest up to one of them is seen."""


class LagProbe:
    """Measures from its making until `stop`. For the running event loop."""

    def __init__(self) -> None:
        self._late: list[float] = []
        self._task = asyncio.create_task(self._look(), name="lag-probe")

    async def _look(self) -> None:
        while True:
            # Not the loop's own time, which uvloop keeps in whole milliseconds.
            before = time.monotonic()
            await asyncio.sleep(PAUSE)
            self._late.append(time.monotonic() - before - PAUSE)

    async def stop(self) -> None:
        """End the measurement."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def result(self) -> dict[str, float]:
        """Milliseconds of lateness: `p50`, `p99`, `max`; `samples` counts the looks."""
        late = sorted(max(0.0, seconds) * 1_000 for seconds in self._late)
        if not late:
            return {"p50": 0.0, "p99": 0.0, "max": 0.0, "samples": 0}

        def quantile(share: float) -> float:
            return late[max(0, math.ceil(share * len(late)) - 1)]

        return {"p50": quantile(0.5), "p99": quantile(0.99), "max": late[-1], "samples": len(late)}
