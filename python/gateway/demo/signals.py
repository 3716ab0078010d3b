"""Ctrl-C ends the evening, and not the process that still has deliveries to wait for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def asked_to_stop() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set, inside the block. For the main thread's event loop."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        loop.add_signal_handler(number, event.set)
    try:
        yield event
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            # asyncio.run has a handler of its own for SIGINT, and removing ours puts Python's default in its place.
            signal.signal(number, handler)
