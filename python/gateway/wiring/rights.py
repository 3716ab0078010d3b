"""Rights that end: revalidation, revocation, and sectors that change."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.auth.revocation import RevocationCheck
from gateway.fanout.base import Fanout
from gateway.hub.authenticator import Authenticator
from gateway.hub.base import ChannelInterest
from gateway.hub.refresh import ConnectionRefresh
from gateway.hub.revalidation import Revalidation
from gateway.hub.revocations import Revocations
from gateway.hub.rights import CheckIntervals, Rights
from gateway.hub.rights_watch import RightsWatch
from gateway.hub.sector_changes import SectorChanges
from gateway.hub.sectors import CachedSectorDirectory
from gateway.hub.sweep import Sweep
from gateway.ingest.live_base import RoomInterest
from gateway.wiring.ground import Ground, asking_again


@dataclass(frozen=True, slots=True)
class RightsParts:
    """The parts; `watch` is to be started."""

    rights: Rights
    refresh: ConnectionRefresh
    revalidation: Revalidation
    watch: RightsWatch


def rights_parts(
    ground: Ground,
    fanout: Fanout,
    authenticator: Authenticator,
    revocation: RevocationCheck,
    sectors: CachedSectorDirectory,
    *,
    interest: ChannelInterest,
    rooms: RoomInterest,
) -> RightsParts:
    """Make them."""
    settings, observer, clock = ground.settings, ground.metrics.rights, ground.clock
    rights = Rights(
        CheckIntervals(settings.jwt_revalidation_interval, settings.table_token_revalidation_interval), clock
    )
    refresh = ConnectionRefresh(fanout, authenticator, sectors, interest=interest, rooms=rooms, rights=rights)
    revalidation = Revalidation(fanout, revocation, observer, jitter=asking_again())
    changes = SectorChanges(refresh, sectors, rights, observer=observer, jitter=asking_again())
    watch = RightsWatch(
        revalidation,
        Revocations(fanout, revocation, rights, observer=observer, jitter=asking_again(), clock=clock),
        changes,
        Sweep(fanout, (revalidation.check, changes.visit), jitter=asking_again(), clock=clock),
        observer,
    )
    return RightsParts(rights, refresh, revalidation, watch)
