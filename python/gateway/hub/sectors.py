"""Sectors of a user: a port, its Redis adapter over the broker port, and a cache in front."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple, Protocol

from gateway.auth.identity import Identity
from gateway.broker.base import Broker
from gateway.errors import BrokerError
from gateway.hub.base import HubObserver
from gateway.hub.profiles import EndpointProfile
from gateway.telemetry.logging import get_logger
from gateway.types import MAX_ID, Clock

CACHE_SECONDS = 300.0
"""How long an assignment is believed without asking again; an announced change is asked for at once."""

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


class _Known(NamedTuple):
    """An answer, until when it is believed (monotonic), and the number of its question.

    Without sectors it says that answers to earlier questions are outdated.
    """

    sectors: tuple[int, ...] | None
    until: float
    question: int


class CachedSectorDirectory:
    """Remembers answers for `CACHE_SECONDS`. For one event loop.

    Of two questions about one user that are under way at a time, the answer to the later one stands, whichever comes
    first: the earlier may have been answered before a change that the later one was asked for.
    """

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
        self._cache: OrderedDict[tuple[int, str], _Known] = OrderedDict()
        self._questions = 0
        self._outdated = 0  # answers to questions up to this number are believed no more, whoever they are about

    async def sectors_of(self, tenant: int, user: str) -> tuple[int, ...]:
        """See `SectorDirectory`."""
        if (known := self.remembered(tenant, user)) is not None:
            self._observer.on_sector_lookup("cached")
            return known
        return await self.refresh(tenant, user)

    def remembered(self, tenant: int, user: str) -> tuple[int, ...] | None:
        """The answer that is believed now; None where there is none."""
        known = self._cache.get((tenant, user))
        return known.sectors if known is not None and self._clock.monotonic() < known.until else None

    def forget(self, tenant: int, user: str) -> None:
        """Believe nothing about a user that was asked before now; answers under way are not remembered either."""
        self._questions += 1
        self._put((tenant, user), _Known(None, self._clock.monotonic(), self._questions))

    def forget_all(self) -> None:
        """The same for everybody."""
        self._outdated = self._questions
        self._cache.clear()

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
        """Ask anew, whatever is remembered; for a client that says its assignment changed.

        Raises:
            BrokerError: the directory cannot be asked.
        """
        self._questions += 1
        question = self._questions
        try:
            sectors = await self._directory.sectors_of(tenant, user)
        except BrokerError:
            self._observer.on_sector_lookup("failed")
            raise
        self._observer.on_sector_lookup("directory")
        known = self._cache.get((tenant, user))
        if known is not None and known.question > question:
            return sectors if known.sectors is None else known.sectors
        if question > self._outdated:
            self._put((tenant, user), _Known(sectors, self._clock.monotonic() + self._seconds, question))
        return sectors

    def _put(self, key: tuple[int, str], known: _Known) -> None:
        self._cache.pop(key, None)
        self._cache[key] = known
        if len(self._cache) > CACHE_ENTRIES:
            self._cache.popitem(last=False)
