"""Time as the client sees it: a port, so that its tests move the clock, and its adapter for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timers(Protocol):
    """Calls back later. For one event loop."""

    def time(self) -> float:
        """Unix seconds, as this machine believes."""
        ...

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """Call after so many seconds; what is returned calls it off, and does nothing once it has happened."""
        ...


class LoopTimers:
    """`Timers` on the running event loop."""

    def time(self) -> float:
        """See `Timers.time`."""
        return time.time()

    def after(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        """See `Timers.after`."""
        return asyncio.get_running_loop().call_later(seconds, call).cancel


class Timer:
    """At most one call that is still to come. For one event loop."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._cancel: Callable[[], None] | None = None

    @property
    def running(self) -> bool:
        """Whether a call is still to come."""
        return self._cancel is not None

    def set(self, seconds: float, call: Callable[[], None]) -> None:
        """Call after so many seconds, in place of what was to come."""
        self.cancel()

        def due() -> None:
            self._cancel = None
            call()

        self._cancel = self._timers.after(seconds, due)

    def cancel(self) -> None:
        """Call nothing."""
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
