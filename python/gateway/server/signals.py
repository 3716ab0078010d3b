"""SIGTERM and SIGINT mean: say goodbye first, then let uvicorn shut down."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_Handler = Callable[[int, FrameType | None], Any]


@contextmanager
def drain_on_signal(drain: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """Within the block, a first SIGTERM or SIGINT runs `drain` and is passed on when that is done.

    uvicorn alone would close every WebSocket with 1012 and stop the application only after that: clients would not
    learn that they should come back, and what waits in their outboxes would be lost. It installs its handlers before
    the application starts, so at start ours can go in front of them, in every worker process alike and whatever
    uvicorn's version.

    The same signal a second time is passed on at once. SIGINT and SIGTERM count separately: Ctrl-C in a terminal
    reaches a worker process as SIGINT from the terminal and again as SIGTERM from its parent.

    Only for the main thread; elsewhere (a test client) it does nothing, as uvicorn does nothing there either.
    """
    loop = asyncio.get_running_loop()
    behind: dict[signal.Signals, _Handler] = {}
    draining: dict[signal.Signals, asyncio.Task[None]] = {}

    async def drain_then_pass_on(number: signal.Signals) -> None:
        try:
            await drain()
        finally:
            behind[number](number, None)

    def on_signal(number: signal.Signals) -> None:
        if number in draining:
            behind[number](number, None)
        else:
            draining[number] = loop.create_task(drain_then_pass_on(number), name=f"drain-{number.name}")

    try:
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            # Without uvicorn underneath there is nobody to pass it on to, and the default is right.
            if callable(handler) and handler is not signal.default_int_handler:
                behind[number] = handler
                loop.add_signal_handler(number, on_signal, number)
    except (ValueError, RuntimeError):
        behind.clear()  # not the main thread
    try:
        yield
    finally:
        for number, handler in behind.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
