"""Changes of sectors that are announced: the node moves the user's connections, without their asking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.errors import BrokerError
from gateway.fanout.base import ConnectionInfo
from gateway.hub.background_work import BackgroundWork
from gateway.hub.base import RightsObserver
from gateway.hub.refresh import ConnectionRefresh, follows_directory, subject_of
from gateway.hub.rights import Rights
from gateway.hub.sectors import CachedSectorDirectory
from gateway.protocol.rights import SectorChange
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.logging import get_logger

MAX_WAITING = 100_000
"""Users whose change waits; one more keeps the old sectors until the client asks, or until the next sweep."""

_log = get_logger("gateway.hub.sector_changes")


class SectorChanges:
    """Asks for the sectors of users that were announced, and moves their connections. For one event loop.

    While Redis cannot be asked, users wait. Connections whose token carries the sectors are not concerned.
    """

    def __init__(
        self,
        refresh: ConnectionRefresh,
        sectors: CachedSectorDirectory,
        rights: Rights,
        *,
        observer: RightsObserver,
        jitter: DecorrelatedJitter,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`jitter`: the waits before Redis is asked again; `sleep` waits, and tests hand in one that does not."""
        self._refresh = refresh
        self._sectors = sectors
        self._rights = rights
        self._observer = observer
        self._waiting: dict[tuple[int, str], None] = {}
        self._work = BackgroundWork(
            "sector-changes", lambda: bool(self._waiting), self._next, jitter=jitter, sleep=sleep
        )
        rights.bind(self.look_at)

    def on_announced(self, change: SectorChange) -> None:
        """Take an announcement; returns at once."""
        self._sectors.forget(change.tenant_id, change.user)
        self._rights.remember_sectors(change.tenant_id, change.user)
        self.look_at(change.tenant_id, change.user)

    def look_at(self, tenant: int, user: str) -> None:
        """Ask for a user's sectors as soon as it can be; returns at once."""
        if len(self._waiting) >= MAX_WAITING and (tenant, user) not in self._waiting:
            _log.error("too many changes of sectors wait; one is left to the client", waiting=len(self._waiting))
            return
        self._waiting[tenant, user] = None
        self._work.wake()

    def forget_all(self) -> None:
        """Announcements may have been missed: believe nothing that was asked before now. `visit` asks anew."""
        self._sectors.forget_all()

    async def visit(self, page: Sequence[ConnectionInfo]) -> None:
        """Look at the users behind some connections, each once. See `sweep.Visit`."""
        for info in page:
            if follows_directory(info):
                self.look_at(info.identity.tenant, subject_of(info))

    async def start(self) -> None:
        """Begin to work, in the background; a second call does nothing."""
        await self._work.start()

    async def stop(self) -> None:
        """Work no more."""
        await self._work.stop()

    async def _next(self) -> None:
        tenant, user = next(iter(self._waiting))
        # Out before the question: an announcement that comes while it is under way asks again.
        del self._waiting[tenant, user]
        try:
            moved = await self._refresh.user(tenant, user)
        except BrokerError as error:
            _log.warning("a change of sectors is put off", tenant=tenant, user=user, why=str(error))
            self.look_at(tenant, user)
            await self._work.put_off()
            return
        except Exception:  # noqa: BLE001 - logged in full; the others must be moved all the same
            _log.exception("a change of sectors failed", tenant=tenant, user=user)
            return
        self._work.succeeded()
        self._observer.on_sectors_changed(moved)
