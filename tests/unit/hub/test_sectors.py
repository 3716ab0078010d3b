from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.errors import BrokerError
from gateway.hub.profiles import KITCHEN, WAITER
from gateway.hub.sectors import CACHE_SECONDS, MAX_SECTORS, CachedSectorDirectory, RedisSectorDirectory
from gateway.telemetry.metrics import Metrics
from gateway.types import MAX_ID
from tests.support.clock import FakeClock
from tests.unit.hub.test_profiles import STAFF


class Sets:
    """A broker that knows sets alone."""

    def __init__(self, members: Sequence[bytes] = ()) -> None:
        self.members = frozenset(members)
        self.asked: list[str] = []
        self.away = False

    async def set_members(self, key: str) -> frozenset[bytes]:
        self.asked.append(key)
        if self.away:
            raise BrokerError("away")
        return self.members


@pytest.fixture
def sets() -> Sets:
    return Sets([b"9", b"4"])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cached(sets: Sets, clock: FakeClock) -> CachedSectorDirectory:
    return CachedSectorDirectory(RedisSectorDirectory(sets), clock, Metrics())  # type: ignore[arg-type]


async def test_the_directory_reads_the_users_set_in_ascending_order(sets: Sets) -> None:
    directory = RedisSectorDirectory(sets)  # type: ignore[arg-type]
    assert await directory.sectors_of(7, "12") == (4, 9)
    assert sets.asked == ["{tenant:7}:sectors:user:12"]


async def test_members_that_are_no_sector_ids_are_left_out(sets: Sets) -> None:
    bad = [b"", b"0", b"-1", b"1.5", b"x", b"\xff", str(MAX_ID + 1).encode(), b"9" * 5000, "٥".encode()]
    sets.members = frozenset([b"3", *bad])
    assert await RedisSectorDirectory(sets).sectors_of(7, "12") == (3,)  # type: ignore[arg-type]


async def test_an_assignment_without_measure_is_cut(sets: Sets) -> None:
    sets.members = frozenset(str(n).encode() for n in range(1, 1000))
    found = await RedisSectorDirectory(sets).sectors_of(7, "12")  # type: ignore[arg-type]
    assert found == tuple(range(1, MAX_SECTORS + 1))


async def test_an_answer_is_believed_for_five_minutes(
    cached: CachedSectorDirectory, sets: Sets, clock: FakeClock
) -> None:
    assert await cached.sectors_of(7, "12") == (4, 9)
    sets.members = frozenset([b"5"])
    clock.advance(CACHE_SECONDS - 1)
    assert await cached.sectors_of(7, "12") == (4, 9)
    clock.advance(1)
    assert await cached.sectors_of(7, "12") == (5,)
    assert len(sets.asked) == 2


async def test_a_refresh_asks_whatever_is_remembered_and_is_remembered(
    cached: CachedSectorDirectory, sets: Sets
) -> None:
    await cached.sectors_of(7, "12")
    sets.members = frozenset()
    assert await cached.refresh(7, "12") == ()
    assert await cached.sectors_of(7, "12") == ()
    assert len(sets.asked) == 2


async def test_tenants_and_users_are_remembered_apart(cached: CachedSectorDirectory, sets: Sets) -> None:
    for tenant, user in ((7, "12"), (8, "12"), (7, "13")):
        await cached.sectors_of(tenant, user)
    assert len(set(sets.asked)) == 3


async def test_a_failure_is_not_remembered(cached: CachedSectorDirectory, sets: Sets) -> None:
    sets.away = True
    with pytest.raises(BrokerError):
        await cached.sectors_of(7, "12")
    sets.away = False
    assert await cached.sectors_of(7, "12") == (4, 9)


async def test_the_claim_stands_before_the_directory_and_other_endpoints_ask_nobody(
    cached: CachedSectorDirectory, sets: Sets
) -> None:
    assert await cached.of_identity(WAITER, replace(STAFF, sectors=(1,))) == (1,)
    assert await cached.of_identity(WAITER, replace(STAFF, sectors=())) == ()
    assert await cached.of_identity(KITCHEN, STAFF) == ()
    assert sets.asked == []
    assert await cached.of_identity(WAITER, STAFF) == (4, 9)
