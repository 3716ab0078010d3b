"""Everything that takes rights away from connections that are here: on a timer, by announcement, after an outage."""

from __future__ import annotations

import asyncio

from gateway.hub.base import RightsObserver
from gateway.hub.revalidation import Revalidation
from gateway.hub.revocations import Revocations
from gateway.hub.sector_changes import SectorChanges
from gateway.hub.sweep import Sweep
from gateway.protocol.rights import Revocation, SectorChange


class RightsWatch:
    """Keeps `ingest.announcements_base.AnnouncementListener`, and runs the parts. For one event loop."""

    def __init__(
        self,
        revalidation: Revalidation,
        revocations: Revocations,
        sector_changes: SectorChanges,
        sweep: Sweep,
        observer: RightsObserver,
    ) -> None:
        self._revalidation = revalidation
        self._revocations = revocations
        self._sector_changes = sector_changes
        self._sweep = sweep
        self._observer = observer

    def on_revoked(self, revocation: Revocation) -> None:
        """See `AnnouncementListener`."""
        self._revocations.on_announced(revocation)

    def on_sectors(self, change: SectorChange) -> None:
        """See `AnnouncementListener`."""
        self._sector_changes.on_announced(change)

    def on_listening(self) -> None:
        """See `AnnouncementListener`: everybody is checked, since announcements may have been missed."""
        self._sector_changes.forget_all()
        self._observer.on_sweep()
        self._sweep.begin()

    async def start(self) -> None:
        """Begin, in the background."""
        await self._revalidation.start()
        await self._revocations.start()
        await self._sector_changes.start()

    async def stop(self) -> None:
        """End all parts."""
        await asyncio.gather(
            self._sweep.stop(), self._revalidation.stop(), self._revocations.stop(), self._sector_changes.stop()
        )
