"""Sectors of a user: a port, its Redis adapter over the broker port, and a cache in front."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from gateway.auth.identity import Identity
from gateway.broker.base import Broker
from gateway.errors import BrokerError
from gateway.hub.base import HubObserver
from gateway.hub.profiles import EndpointProfile
from gateway.telemetry.logging import get_logger
from gateway.types import MAX_ID, Clock

CACHE_SECONDS = 300.0
"""How long an assignment is believed without asking again (the announcement of changes is another way to learn)."""

CACHE_ENTRIES = 10_000
"""Users whose sectors are kept; beyond it the one that was asked for longest ago goes."""

MAX_SECTORS = 256
"""Sectors of one user; the same bound as the token's claim has."""

_log = get_logger("gateway.hub.sectors")


class SectorDirectory(Protocol):
    """Who works where."""

    async def sectors_of(self, tenant: int, user: str) -> tuple[int, ...]:
        """The sectors of a user in ascending order; empty where there are none.

        Raises:
            BrokerError: the directory cannot be asked.
        """
        ...


def sectors_key(tenant: int, user: str) -> str:
    """The Redis set that the back end keeps a user's sectors in."""
    return f"{{tenant:{tenant}}}:sectors:user:{user}"


def _sector_id(member: bytes) -> int | None:
    # Sixteen digits hold MAX_ID; without the bound a long member would be an expensive integer, or an error.
    if not member.isdigit() or len(member) > 16:  # noqa: PLR2004
        return None
    number = int(member)
    return number if 1 <= number <= MAX_ID else None


class RedisSectorDirectory:
    """Reads the sets that the back end writes. Members that are no sector id are logged and left out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def sectors_of(self, tenant: int, user: str) -> tuple[int, ...]:
        """See `SectorDirectory`."""
        members = await self._broker.set_members(sectors_key(tenant, user))
        sectors = {sector for member in members if (sector := _sector_id(member)) is not None}
        if len(sectors) != len(members):
            _log.warning("sector assignment has members that are no sector ids", tenant=tenant, user=user)
        if len(sectors) > MAX_SECTORS:
            _log.warning("more sectors than allowed; the lowest are taken", tenant=tenant, user=user, limit=MAX_SECTORS)
        return tuple(sorted(sectors)[:MAX_SECTORS])


class CachedSectorDirectory:
    """Remembers answers for `CACHE_SECONDS`. For one event loop."""

    def __init__(
        self,
        directory: SectorDirectory,
        clock: Clock,
        observer: HubObserver,
        *,
        seconds: float = CACHE_SECONDS,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._observer = observer
        self._seconds = seconds
        self._cache: OrderedDict[tuple[int, str], tuple[float, tuple[int, ...]]] = OrderedDict()

    async def sectors_of(self, tenant: int, user: str) -> tuple[int, ...]:
        """See `SectorDirectory`."""
        cached = self._cache.get((tenant, user))
        if cached is not None and self._clock.monotonic() < cached[0]:
            self._observer.on_sector_lookup("cached")
            return cached[1]
        return await self.refresh(tenant, user)

    async def of_identity(self, profile: EndpointProfile, identity: Identity) -> tuple[int, ...]:
        """The sectors that a connection gets: the token's claim where it has one, otherwise the directory's answer.

        Empty on an endpoint where sectors mean nothing.

        Raises:
            BrokerError: the directory cannot be asked.
        """
        if not profile.sectors:
            return ()
        if identity.sectors is not None:
            self._observer.on_sector_lookup("token")
            return identity.sectors
        return await self.sectors_of(identity.tenant, identity.subject)

    async def refresh(self, tenant: int, user: str) -> tuple[int, ...]:
        """Ask anew, whatever is remembered; for a client that says its assignment changed."""
        try:
            sectors = await self._directory.sectors_of(tenant, user)
        except BrokerError:
            self._observer.on_sector_lookup("failed")
            raise
        self._observer.on_sector_lookup("directory")
        self._cache.pop((tenant, user), None)
        self._cache[tenant, user] = (self._clock.monotonic() + self._seconds, sectors)
        if len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
        return sectors
