"""What `streams_base` promises of the source's lease and of its trims, asked of a real server."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from redis.asyncio import Redis

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_source import RedisSource
from gateway.errors import LeaseLostError
from gateway.protocol.keys import FENCE, GROUP, LEASE, SOURCE
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.valkey import ValkeyServer, run_valkey

ME, OTHER = "me:1", "other:1"


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: the source stream has one name."""
    # One entry to a node of the stream: trims remove whole nodes.
    with run_valkey({"stream-node-max-entries": "1"}) as server:
        yield server


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def source(server: ValkeyServer, redis: Redis) -> AsyncIterator[RedisSource]:
    commands = RedisCommands(server.url, CircuitBreaker("relay", SystemClock()), max_connections=1)
    yield RedisSource(commands)
    await commands.close()


async def test_one_token_has_the_lease_and_every_grant_has_a_higher_number(source: RedisSource, redis: Redis) -> None:
    assert await source.acquire(ME) == 1
    assert await source.acquire(OTHER) is None
    assert await source.acquire(ME) == 2
    assert 9_000 < await redis.pttl(LEASE) <= 10_000
    assert await redis.ttl(FENCE) > 600_000
    await source.release(OTHER)
    assert await redis.get(LEASE) == ME.encode()
    await source.release(ME)
    assert await source.acquire(OTHER) == 3
    assert await source.raise_fence(OTHER, 2**40) == 2**40 + 1
    assert await source.acquire(OTHER) == 2**40 + 2
    assert await source.raise_fence(OTHER, 7) == 2**40 + 3


async def test_whatever_looks_at_the_lease_does_nothing_without_it_and_extends_it(
    source: RedisSource, redis: Redis
) -> None:
    await source.acquire(ME)
    await source.ensure_group(ME, from_start=False)
    (entry,) = [(await redis.xadd(SOURCE, {"event": "{}"})).decode()]
    calls: dict[str, Callable[[str], Awaitable[object]]] = {
        "raise_fence": lambda token: source.raise_fence(token, 5),
        "ensure_group": lambda token: source.ensure_group(token, from_start=True),
        "pending": source.pending,
        "claim": lambda token: source.claim(token, entry),
        "excuse": lambda token: source.excuse(token, entry),
        "read": lambda token: source.read(token, 10, [entry]),
        "recent": lambda token: source.recent(token, 60, None, 10),
        "trim": lambda token: source.trim(token, 0),
    }
    before = await redis.dump(SOURCE)
    for name, call in calls.items():
        with pytest.raises(LeaseLostError):
            await call(OTHER)
        assert await redis.dump(SOURCE) == before, name
    for name, call in calls.items():
        await redis.pexpire(LEASE, 1_000)
        await call(ME)
        assert await redis.pttl(LEASE) > 5_000, name


async def test_a_read_acknowledges_what_the_one_before_gave(source: RedisSource, redis: Redis) -> None:
    await source.acquire(ME)
    await source.ensure_group(ME, from_start=False)
    ids = [(await redis.xadd(SOURCE, {"event": "{}"})).decode() for _ in range(700)]
    first = await source.read(ME, 500)
    assert [entry.entry_id for entry in first.entries] == ids[:500]
    second = await source.read(ME, 500, ids[:500])
    assert [entry.entry_id for entry in second.entries] == ids[500:]
    pending, vanished = await source.pending(ME)
    assert ([entry.entry_id for entry in pending], vanished) == (ids[500:], 0)
    assert (await source.read(ME, 500, ids[500:])).entries == []
    assert await source.pending(ME) == ([], 0)


async def test_a_trim_leaves_what_is_young_pending_or_not_delivered(source: RedisSource, redis: Redis) -> None:
    await source.acquire(ME)
    await source.ensure_group(ME, from_start=False)
    old = int((time.time() - 7_200) * 1_000)
    ids = [(await redis.xadd(SOURCE, {"event": "{}"}, id=f"{old + number}-0")).decode() for number in range(6)]

    async def left() -> list[str]:
        return [number.decode() for number, _ in await redis.xrange(SOURCE)]

    assert await source.trim(ME, 3_600) == 0
    assert len((await source.read(ME, 4)).entries) == 4
    await source.acknowledge([ids[0], ids[1], ids[3]])
    assert await source.trim(ME, 3_600) == 2
    assert await left() == ids[2:], "the third is pending"
    await source.acknowledge([ids[2]])
    assert await source.trim(ME, 10_000) == 0, "they are younger than that"
    assert await source.trim(ME, 3_600) == 1
    assert await left() == ids[3:], "the last delivered one stays, by which holes are noticed; two were not delivered"
    assert (await source.read(ME, 10)).lost == 0
    assert (await redis.xinfo_groups(SOURCE))[0]["name"] == GROUP.encode()
