"""Places and penalties in memory: the shortest code that keeps the port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.broker.limits_base import BEAT_KEPT_SECONDS, Claim, ClaimAnswer
from gateway.errors import BrokerError
from gateway.protocol.limit_keys import beat_key
from tests.support.clock import FakeClock

LEASE = 60.0


class MemoryLimits:
    """Keeps `LimitStore`; counts what is asked, and is away when it is told to be."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.away = False
        self.nodes: list[Any] = []
        self.trips = 0
        self.strings: dict[str, tuple[bytes, float]] = {}
        self.sets: dict[str, dict[str, float]] = {}

    async def ask(self, keys: Sequence[str], claim: Claim | None) -> ClaimAnswer:
        now = self._trip()
        values = [value[0] if (value := self.strings.get(key)) and value[1] > now else None for key in keys]
        if claim is None:
            return ClaimAnswer(values, None)
        for limit in claim.limits:
            for name in claim.gone:
                self.sets.get(limit.key, {}).pop(name, None)
        for number, limit in enumerate(claim.limits):
            held = self.members(limit.key)
            if claim.member not in held and len(held) >= limit.limit:
                return ClaimAnswer(values, number)
        for limit in claim.limits:
            self.sets.setdefault(limit.key, {})[claim.member] = now + LEASE
        return ClaimAnswer(values, None)

    async def renew(self, places: Mapping[str, Sequence[str]]) -> None:
        now = self._trip()
        for key, members in places.items():
            self.sets.setdefault(key, {}).update(dict.fromkeys(members, now + LEASE))

    async def give_up(self, places: Mapping[str, Sequence[str]]) -> None:
        self._trip()
        for key, members in places.items():
            for member in members:
                self.sets.get(key, {}).pop(member, None)

    async def holders(self, key: str) -> list[str]:
        self._trip()
        return sorted(self.members(key))

    async def beat(self, run: str, number: int) -> None:
        self.strings[beat_key(run)] = (b"%d" % number, self._trip() + BEAT_KEPT_SECONDS)

    async def beats(self, runs: Sequence[str]) -> list[bytes | None]:
        return (await self.ask([beat_key(run) for run in runs], None)).values

    async def penalise(self, keys: Mapping[str, float]) -> None:
        now = self._trip()
        self.strings |= {key: (b"1", now + seconds) for key, seconds in keys.items()}

    def members(self, key: str) -> set[str]:
        """Places that have not lapsed."""
        now = self.clock.monotonic()
        return {name for name, until in self.sets.get(key, {}).items() if until > now}

    def _trip(self) -> float:
        if self.away:
            raise BrokerError("Redis is away")
        self.trips += 1
        return self.clock.monotonic()
