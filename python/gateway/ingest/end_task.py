"""Ending a background task within a time."""

from __future__ import annotations

import asyncio
from typing import Final

CANCEL_AGAIN_SECONDS: Final = 0.5
"""Between two cancellations of a task that has not ended."""


async def end_task(task: asyncio.Task[None], timeout: float) -> bool:
    """Cancel a task and wait for its end, for at most `timeout` seconds; whether it has ended."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not task.done() and loop.time() < deadline:
        # More than once: before Python 3.12 `wait_for`, which the client library uses, may swallow a cancellation that
        # meets the end of what it waits for.
        task.cancel()
        await asyncio.wait({task}, timeout=min(timeout, CANCEL_AGAIN_SECONDS))
    return task.done()
