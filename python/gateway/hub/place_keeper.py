"""Writes places and penalties to Redis in the background: renewals on a timer, the rest as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gateway.errors import BrokerError
from gateway.fanout.base import ConnectionInfo, Fanout
from gateway.hub.base import LimitObserver
from gateway.hub.label import Label
from gateway.hub.penalties import Penalties
from gateway.hub.places import Places
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger

RENEW_SECONDS = 20.0
"""Every place is renewed once in this time: three times within its lease, so that two failures cost nothing."""

PAGE = 128
"""Connections that are renewed in one round trip, and one step of the loop: two to three milliseconds."""

_log = get_logger("gateway.hub.places")


class PlaceKeeper:
    """Two tasks: one walks over all connections and renews their places, one writes what was given up and imposed.

    They take turns at Redis: a place that is given up while it is being renewed is removed after that, not before.
    For one event loop.
    """

    def __init__(
        self,
        fanout: Fanout,
        places: Places,
        penalties: Penalties,
        observer: LimitObserver,
        *,
        wake: asyncio.Event,
        jitter: DecorrelatedJitter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`wake` is set when there is something to be written; `jitter` gives the waits while Redis is away."""
        self._fanout = fanout
        self._places = places
        self._penalties = penalties
        self._observer = observer
        self._wake = wake
        self._jitter = jitter
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin, in the background."""
        self._tasks = [
            asyncio.create_task(self._renew_all(), name="places-renewal"),
            asyncio.create_task(self._write_all(), name="places-writer"),
        ]

    async def stop(self, timeout: float = 2.0) -> None:
        """End, after one last attempt to write what was given up: another node may be asked for the place next."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._places.stop()
        with suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(timeout):
                await self.write()

    async def renew_page(self, cursor: int) -> int:
        """Renew the places of the next connections; the cursor behind them, 0 at the end.

        Raises:
            BrokerError: none was renewed.
        """
        # Listed and renewed in one turn: who is gone by then is given up in a later one.
        async with self._turn:
            page, following = self._fanout.list(None, cursor, PAGE)
            held: dict[str, list[str]] = {}
            for info in page:
                for key, name in self._held_by(info):
                    held.setdefault(key, []).append(name)
            await self._places.renew(held)
        self._observer.on_places_renewed(sum(map(len, held.values())))
        return following

    async def write(self) -> None:
        """Write penalties and what was given up.

        Raises:
            BrokerError: what is not written stays to be.
        """
        async with self._turn:
            await self._penalties.flush()
            await self._places.flush()

    async def _renew_all(self) -> None:
        cursor = 0
        while True:
            pages = -(-self._fanout.stats().connections // PAGE)
            await self._sleep(RENEW_SECONDS / max(1, pages))
            try:
                cursor = await self.renew_page(cursor)
            except BrokerError as error:
                # The same page again: there is time for three before a place lapses.
                self._observer.on_limits_put_off()
                _log.warning("places cannot be renewed", why=str(error))
            except Exception:  # noqa: BLE001 - logged in full; a fault of ours must not let all places lapse
                _log.exception("places were not renewed")
                cursor = 0

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.write()
            except BrokerError as error:
                self._observer.on_limits_put_off()
                _log.warning("places and penalties cannot be written", why=str(error))
                self._wake.set()
                await self._sleep(self._jitter.next())
            except Exception:  # noqa: BLE001 - as above
                _log.exception("places and penalties were not written")
            else:
                self._jitter.reset()

    def _held_by(self, info: ConnectionInfo) -> list[tuple[str, str]]:
        if not info.identity.label:
            return []  # attached by somebody else than the hub
        return self._places.held_by(info.identity, Label.decode(info.identity.label).place)
