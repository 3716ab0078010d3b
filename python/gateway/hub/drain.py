"""Sending everybody away before the node stops: each is told when to come back, and so not all come back together."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from gateway.fanout.base import Fanout
from gateway.hub.base import LimitObserver
from gateway.protocol import messages

SLICE = 256
"""Clients that are told between two looks of the event loop at everything else."""

LOOK_SECONDS = 0.1
"""How often it is looked whether everybody has left."""


class Drain:
    """Tells all connections when to connect again, and waits until they have left. For one event loop.

    The clients' times are spread evenly: the first of `n` is told a time in the first `n`th of the span, and so on.
    The gateway goes on as before meanwhile: whoever waits for its time gets its events.
    """

    def __init__(
        self, fanout: Fanout, observer: LimitObserver, *, random_share: Callable[[], float] = random.random
    ) -> None:
        self._fanout = fanout
        self._observer = observer
        self._random_share = random_share
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Wait no more; also of use before `send_away`."""
        self._hurry.set()

    async def send_away(self, seconds: float) -> None:
        """Return when nobody is left, when the span is over, or when there is no more time (`hurry`)."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        if not self._hurry.is_set():
            await self._tell_all(seconds)
        while self._fanout.stats().connections and (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await self._hurry.wait()
            except TimeoutError:
                continue
            return

    async def _tell_all(self, seconds: float) -> None:
        total = max(1, self._fanout.stats().connections)
        cursor = told = 0
        while True:
            page, cursor = self._fanout.list(None, cursor, SLICE)
            for info in page:
                # Who joined since they were counted shares the last part of the span.
                share = (min(told, total - 1) + self._random_share()) / total
                self._fanout.send(info.connection, messages.reconnect(seconds * share))
                told += 1
            self._observer.on_reconnect_hints(len(page))
            if not cursor or self._hurry.is_set():
                return
            await asyncio.sleep(0)
