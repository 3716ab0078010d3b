"""Ctrl-C for a command that waits on the network."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

CANCEL_AGAIN_SECONDS = 0.5
"""Before Python 3.12 a cancellation that meets the end of what is waited for may be lost inside a library. A command
that then hung until the second Ctrl-C would look broken, so it is cancelled until it ends."""


def run_until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end in a new event loop; SIGINT cancels it. For the main thread.

    Raises:
        KeyboardInterrupt: it was cancelled by SIGINT.
        Exception: what the coroutine raises.
    """
    asyncio.run(_watched(work))


async def _watched(work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(work)
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    waiting = asyncio.ensure_future(interrupted.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CANCEL_AGAIN_SECONDS)
    finally:
        waiting.cancel()
    if task.cancelled():
        raise KeyboardInterrupt
    task.result()
