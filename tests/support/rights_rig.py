"""The parts that take rights away, on a real core, with a Redis in memory."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from gateway.auth.identity import Identity, Role
from gateway.auth.revocation import RevocationCheck
from gateway.errors import BrokerError
from gateway.fanout import create_fanout
from gateway.fanout.base import ClosedNotice, DueNotice, FanoutLimits, Notice, Occupancy
from gateway.hub.authenticator import Authenticator
from gateway.hub.profiles import DINER, WAITER, EndpointProfile
from gateway.hub.refresh import ConnectionRefresh
from gateway.hub.revalidation import Revalidation
from gateway.hub.revocations import Revocations
from gateway.hub.rights import CheckIntervals, Rights
from gateway.hub.rights_watch import RightsWatch
from gateway.hub.sector_changes import SectorChanges
from gateway.hub.sectors import CachedSectorDirectory, RedisSectorDirectory
from gateway.hub.sweep import Sweep
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.telemetry.metrics import Metrics
from gateway.types import ConnectionId, Room
from tests.support.clock import FakeClock
from tests.support.settle import settle
from tests.support.sockets import FakeSocket

INTERVALS = CheckIntervals(300.0, 1800.0)
ISSUED = 1_699_999_000.0


def waiter(
    user: str = "12",
    *,
    tenant: int = 7,
    token_id: str = "t1",
    issued_at: float = ISSUED,
    branches: tuple[int, ...] = (5,),
    sectors: tuple[int, ...] | None = None,
    expires_at: float = ISSUED + 80_000,
) -> Identity:
    return Identity(
        "staff",
        tenant,
        user,
        branches,
        frozenset({Role.WAITER}),
        sectors,
        None,
        None,
        None,
        token_id,
        issued_at,
        expires_at,
    )


def diner(session: int = 77, *, tenant: int = 7, issued_at: float = ISSUED) -> Identity:
    return Identity(
        "diner", tenant, str(session), (5,), frozenset(), None, session, 42, None, None, issued_at, ISSUED + 80_000
    )


@dataclass
class MemoryRedis:
    """Strings and sets; may be away, and may be asked slowly."""

    values: dict[str, bytes] = field(default_factory=dict)
    sets: dict[str, frozenset[bytes]] = field(default_factory=dict)
    away: bool = False
    asked: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """One round trip."""
        self.asked.append(len(keys))
        answer = [self.values.get(key) for key in keys]
        await self._arrive()
        return answer

    async def set_members(self, key: str) -> frozenset[bytes]:
        """The answer is that of the time of the question, however late it comes."""
        answer = self.sets.get(key, frozenset())
        await self._arrive()
        return answer

    async def _arrive(self) -> None:
        gate = self.gate
        if gate is not None:
            await gate.wait()
        if self.away:
            raise BrokerError("Redis is away")


class Held:
    """Confirms every subscription, or none."""

    def __init__(self) -> None:
        self.deaf = False
        self.held: list[tuple[str, ...]] = []

    def asking_for(self, channels: Sequence[str]) -> AbstractContextManager[None]:
        return nullcontext()

    @asynccontextmanager
    async def hold(self, channels: Sequence[str]) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        self.held.append(tuple(channels))
        if self.deaf:
            raise BrokerError("not confirmed")
        yield

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Nothing follows it here."""


class Rooms:
    """Holds every room, at no position."""

    @asynccontextmanager
    async def hold(self, _rooms: object) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        yield

    def position(self, _room: Room) -> str | None:
        return None


class RightsRig:
    """Waits end when the test says so; the fan-out is the pure one, with sockets that a test can look into."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.redis = MemoryRedis()
        self.metrics = Metrics()
        self.interest = Held()
        self.fanout = create_fanout("pure", FanoutLimits(heartbeat_timeout=1e6), clock=self.clock)
        self.fanout.bind(self)
        self.rights = Rights(INTERVALS, self.clock)
        self.check = RevocationCheck(self.redis)
        self.sectors = CachedSectorDirectory(
            RedisSectorDirectory(self.redis),  # type: ignore[arg-type]
            self.clock,
            self.metrics,
        )
        self.verified: dict[str, Identity] = {}
        self.refresh = ConnectionRefresh(
            self.fanout,
            Authenticator(self, self, self.check),
            self.sectors,
            interest=self.interest,
            rooms=Rooms(),  # type: ignore[arg-type]
            rights=self.rights,
        )
        self.waits: list[float] = []
        self._go = asyncio.Event()
        observer = self.metrics.rights
        self.revalidation = Revalidation(self.fanout, self.check, observer, jitter=_jitter(), sleep=self._sleep)
        self.revocations = Revocations(
            self.fanout,
            self.check,
            self.rights,
            observer=observer,
            jitter=_jitter(),
            clock=self.clock,
            sleep=self._sleep,
        )
        self.sector_changes = SectorChanges(
            self.refresh, self.sectors, self.rights, observer=observer, jitter=_jitter(), sleep=self._sleep
        )
        self.sweep = Sweep(
            self.fanout,
            (self.revalidation.check, self.sector_changes.visit),
            jitter=_jitter(),
            clock=self.clock,
            sleep=self._sleep,
        )
        self.watch = RightsWatch(self.revalidation, self.revocations, self.sector_changes, self.sweep, observer)
        self.closed: dict[ConnectionId, int] = {}
        self.sockets: dict[ConnectionId, FakeSocket] = {}
        self._served: list[asyncio.Future[int]] = []

    # --- what the fan-out tells, and what the authenticator asks ---

    def on_notices(self, notices: Sequence[Notice]) -> None:
        for notice in notices:
            if isinstance(notice, ClosedNotice):
                self.closed[notice.connection] = notice.code
            elif isinstance(notice, DueNotice):
                self.revalidation.on_due(notice.connections)

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Nothing follows it here."""

    def verify(self, token: str) -> Identity:
        return self.verified[token]

    # --- what tests do ---

    def connect(
        self, identity: Identity, profile: EndpointProfile | None = None, sectors: Sequence[int] = ()
    ) -> ConnectionId:
        """Attach as a join does, from the step on in which it has all its answers."""
        profile = profile or (DINER if identity.kind == "diner" else WAITER)
        socket = FakeSocket()
        connection = self.fanout.attach(
            socket,
            profile.memberships(identity, identity.sectors or sectors),
            self.rights.grant(profile, identity, int(self.clock.time()), 0),
        )
        self.sockets[connection] = socket
        self._served.append(asyncio.ensure_future(self.fanout.serve(connection)))
        return connection

    def audiences(self, connection: ConnectionId) -> set[str]:
        return {name for room in self.fanout.info(connection).memberships for name in room.audiences}

    async def advance(self, seconds: float) -> None:
        """Let time pass, on the core too; waits of the parts end by `wake`."""
        self.clock.advance(seconds)
        self.fanout.tick()
        await settle()

    async def wake(self) -> None:
        """Let every wait of the parts end now."""
        # A new one first: who waits again at once waits for the next call.
        go, self._go = self._go, asyncio.Event()
        go.set()
        await settle()

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await self._go.wait()

    def counted(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"gateway_{name}", labels)
        assert value is not None
        return value

    def count(self) -> Counter[int]:
        """Connections that were closed, by code."""
        return Counter(self.closed.values())


def _jitter() -> DecorrelatedJitter:
    return DecorrelatedJitter(1, 5, lambda low, high: high)


@asynccontextmanager
async def rights_rig() -> AsyncIterator[RightsRig]:
    rig = RightsRig()
    await rig.fanout.start()
    await rig.watch.start()
    try:
        yield rig
    finally:
        await rig.watch.stop()
        await rig.fanout.stop(1.0)
        await asyncio.gather(*rig._served, return_exceptions=True)
