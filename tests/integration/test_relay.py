"""The relay on a real Valkey, running freely: what becomes of good, bad, poisonous and lost entries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.streams_base import RelayResult, RoomBatch
from gateway.errors import BrokerError
from gateway.ingest.relay_base import RelayNumbers
from gateway.ingest.stream_consumer import StreamConsumer
from gateway.protocol.keys import CONSUMER, DLQ, FENCE, GROUP, LEASE, SOURCE, history_key
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import Room, SystemClock
from tests.support.relay_rig import CountingObserver, SteppedRelay, build_relay, critical_event
from tests.support.room_reader import RoomReader
from tests.support.valkey import ValkeyServer, run_valkey

ROOM = Room(7, 5)
POISON = b'"poison"'


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: the source stream has one name, so two tests cannot share a database."""
    with run_valkey() as server:
        yield server


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


@asynccontextmanager
async def running(server: ValkeyServer, observer: CountingObserver | None = None, **options: Any) -> Any:
    relay = build_relay(server.url, observer=observer, **options)
    await relay.start()
    try:
        async with asyncio.timeout(10):
            await relay.wait_active()
        yield relay
    finally:
        await relay.stop()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)


async def done(redis: Redis) -> bool:
    """Everything in the source has been delivered and acknowledged."""
    groups = await redis.xinfo_groups(SOURCE) if await redis.exists(SOURCE) else []
    newest = await redis.xrevrange(SOURCE, count=1) if groups else []
    return bool(groups) and groups[0]["pending"] == 0 and (not newest or newest[0][0] == groups[0]["last-delivered-id"])


async def emit(redis: Redis, *payloads: bytes, **options: Any) -> list[str]:
    return [(await redis.xadd(SOURCE, {"event": payload}, **options)).decode() for payload in payloads]


async def kept(redis: Redis) -> list[bytes]:
    return [fields[b"event"] for _, fields in await redis.xrange(history_key(ROOM))]


async def letters(redis: Redis) -> list[dict[bytes, bytes]]:
    return [fields for _, fields in await redis.xrange(DLQ)]


def good(*numbers: int) -> list[bytes]:
    return [critical_event(ROOM, number) for number in numbers]


class Poisoned(StreamConsumer):
    """Some entries bring it down, as a fault of ours would: an exception that nobody expects."""

    async def write_rooms(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        if any(POISON in entry.payload for batch in batches for entry in batch.entries):
            raise RuntimeError("a fault of ours")
        return await super().write_rooms(batches, refeed=refeed)


class Flaky(StreamConsumer):
    """The rooms' server is away for a while."""

    faults = 8

    async def write_rooms(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        if batches and self.faults:
            self.faults -= 1
            raise BrokerError("away")
        return await super().write_rooms(batches, refeed=refeed)


async def test_bad_entries_go_to_the_queue_with_their_reason_and_good_ones_to_their_room(
    server: ValkeyServer, redis: Redis
) -> None:
    observer = CountingObserver()
    async with running(server, observer, node="node-7") as relay:
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(1))
        (bad,) = await emit(redis, b"no json")
        await emit(redis, *good(2), b"x" * 70_000)
        other = (await redis.xadd(SOURCE, {"other": b"\xff", "more": "1"})).decode()
        await emit(redis, *good(3))
        await until(lambda: done(redis))
        assert await kept(redis) == good(1, 2, 3)
        first, big, last = await letters(redis)
        assert first.pop(b"error").startswith(b"bad_json: ")
        assert abs(float(first.pop(b"time")) - time.time()) < 10
        assert first == {
            b"id": bad.encode(),
            b"event": b"no json",
            b"reason": b"bad_json",
            b"tries": b"1",
            b"node": b"node-7",
        }
        assert (big[b"reason"], len(big[b"event"])) == (b"too_big", 65_536)
        assert b"70000 bytes" in big[b"error"]
        assert (last[b"id"], last[b"fields"]) == (other.encode(), b'{"other": "\\\\xff", "more": "1"}')
        assert relay.lag == 0
    assert observer.counts == {"added": 3, "repeats": 0, "dlq:bad_json": 1, "dlq:too_big": 1, "dlq:bad_shape": 1}
    assert observer.held == [True, False]


async def test_a_poisonous_entry_is_put_aside_after_its_tries_and_holds_nobody_up(
    server: ValkeyServer, redis: Redis
) -> None:
    observer = CountingObserver()
    poison = critical_event(ROOM, 0, poison="poison")
    async with running(server, observer, kind=Poisoned):
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(1), poison, *good(2, 3))
        await until(lambda: done(redis))
    assert await kept(redis) == good(1, 2, 3)
    ((letter),) = await letters(redis)
    assert (letter[b"event"], letter[b"reason"], letter[b"tries"]) == (poison, b"failed", b"3")
    # Fed again at the next take-over it would bring the relay down once more.
    async with running(server, observer, kind=Poisoned):
        await emit(redis, *good(4))
        await until(lambda: done(redis))
    assert len(await letters(redis)) == 1
    assert await kept(redis) == good(1, 2, 3, 4)
    assert observer.counts["begun"] == 0


async def test_a_fault_of_redis_is_never_the_entrys(server: ValkeyServer, redis: Redis) -> None:
    async with running(server, kind=Flaky) as relay:
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(1, 2))
        await until(lambda: done(redis))
        assert relay.faults == 0
    assert await kept(redis) == good(1, 2)
    assert await letters(redis) == []


async def test_entries_that_a_producer_trims_before_they_are_read_are_counted_once(
    server: ValkeyServer, redis: Redis
) -> None:
    observer = CountingObserver()
    async with running(server, observer):
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(1, 2, 3))
        await until(lambda: done(redis))
    for number in range(4, 24):
        await emit(redis, *good(number), maxlen=5, approximate=False)
    async with running(server, observer) as relay:
        await until(lambda: done(redis))
        assert relay.lost_at_source == 15
        # What was delivered may go: nothing is lost by that.
        for number in range(24, 34):
            await emit(redis, *good(number), maxlen=1, approximate=False)
            await until(lambda: done(redis))
        assert relay.lost_at_source == observer.counts["lost_at_source"] == 15
    assert await kept(redis) == good(1, 2, 3, *range(19, 34))


async def test_entries_that_vanish_while_they_are_pending_are_counted(server: ValkeyServer, redis: Redis) -> None:
    observer = CountingObserver()
    stopped = build_relay(server.url, kind=SteppedRelay, observer=observer)
    while await stopped.step() != "wait":
        pass
    ids = await emit(redis, *good(1, 2, 3))
    while await stopped.step() != "after read":
        pass
    await stopped.crash()
    await redis.xdel(SOURCE, ids[1])
    await redis.delete(LEASE)
    async with running(server, observer):
        await until(lambda: done(redis))
    assert observer.counts["lost_at_source"] == 1
    assert await kept(redis) == good(1, 3)


async def test_what_other_consumer_names_hold_is_taken_over(server: ValkeyServer, redis: Redis) -> None:
    await redis.xgroup_create(SOURCE, GROUP, id="$", mkstream=True)
    await emit(redis, *good(1, 2, 3))
    for _ in range(9):  # many deliveries, none of them a try of ours
        await redis.xreadgroup(GROUP, "old-node", {SOURCE: ">"}, count=2)
        await redis.xreadgroup(GROUP, "old-node", {SOURCE: "0"}, count=9)
    await redis.xreadgroup(GROUP, "older-node", {SOURCE: ">"})
    async with running(server):
        await until(lambda: done(redis))
    assert await kept(redis) == good(1, 2, 3)
    assert await letters(redis) == []


@pytest.mark.parametrize("from_start", [False, True])
async def test_where_the_first_relay_of_all_begins_is_a_setting(
    server: ValkeyServer, redis: Redis, *, from_start: bool
) -> None:
    await emit(redis, *good(1, 2))
    async with running(server, numbers=RelayNumbers(from_start=from_start)):
        await until(lambda: done(redis))
        await emit(redis, *good(3))
        await until(lambda: done(redis))
    assert await kept(redis) == (good(1, 2, 3) if from_start else good(3))


async def test_a_group_that_vanished_is_made_anew_and_nothing_comes_twice(server: ValkeyServer, redis: Redis) -> None:
    commands = RedisCommands(server.url, CircuitBreaker("commands", SystemClock()))
    observer = CountingObserver()
    numbers = RelayNumbers(history_events=4)
    async with running(server, observer, numbers=numbers):
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(*range(10)))
        await until(lambda: done(redis))
        reader = RoomReader(server.url, RedisHistory(commands), ROOM)
        await reader.start()
        await redis.xgroup_destroy(SOURCE, GROUP)
        await emit(redis, *good(10, 11))
        await until(lambda: done(redis))
        await reader.pump()
    assert [event.payload for event in reader.got] == good(10, 11)
    assert reader.told == []
    assert observer.counts["begun"] == 0
    await reader.close()
    await commands.close()


async def test_the_source_is_trimmed_but_not_what_is_still_to_be_done(server: ValkeyServer, redis: Redis) -> None:
    numbers = RelayNumbers(trim_every=0, keep=3_600)
    old = int((time.time() - 7_200) * 1_000)
    stopped = build_relay(server.url, kind=SteppedRelay, numbers=numbers)
    while await stopped.step() != "wait":
        pass
    for number in range(1_000):
        await emit(redis, *good(number), id=f"{old + number}-0")
    while await stopped.step() != "after write_rooms":
        pass
    # 500 are pending and the others were never delivered: however old, all must stay.
    await redis.delete(LEASE)
    async with running(server, numbers=numbers):
        await until(lambda: done(redis))
        assert await redis.xlen(history_key(ROOM)) == 1_000

        async def trimmed() -> bool:
            return int(await redis.xlen(SOURCE)) < 200  # whole nodes of the stream, of 100 entries each

        await emit(redis, *good(1_000))
        await until(trimmed)
    await stopped.crash()


async def test_a_stopped_relay_hands_over_and_a_dead_one_is_replaced(server: ValkeyServer, redis: Redis) -> None:
    numbers = RelayNumbers(lease=0.6)
    first = build_relay(server.url, node="first", numbers=numbers)
    second = build_relay(server.url, node="second", numbers=numbers)
    await first.start()
    await first.wait_active()
    await second.start()
    await emit(redis, *good(1))
    await until(lambda: done(redis))
    assert not second.active
    assert (await redis.get(LEASE)).startswith(b"first:")
    await first.stop()
    async with asyncio.timeout(5):
        await second.wait_active()
    await emit(redis, *good(2))
    await until(lambda: done(redis))
    assert int(await redis.get(FENCE)) > 1
    # Its process is gone: the lease runs out by itself.
    await first.start()
    second._task.cancel()
    async with asyncio.timeout(5):
        await first.wait_active()
    await emit(redis, *good(3))
    await until(lambda: done(redis))
    await first.stop()
    await second.stop()
    assert await kept(redis) == good(1, 2, 3)
    consumers = await redis.xinfo_consumers(SOURCE, GROUP)
    assert [consumer["name"] for consumer in consumers] == [CONSUMER.encode()]


async def test_a_counter_that_went_back_does_not_stop_the_relay(server: ValkeyServer, redis: Redis) -> None:
    async with running(server):
        await redis.set(FENCE, 1_000)
    async with running(server) as relay:
        await emit(redis, *good(1))
        await until(lambda: done(redis))
        await redis.set(FENCE, 3)
        relay._task.cancel()
    async with running(server):
        await emit(redis, *good(2))
        await until(lambda: done(redis))
        assert int(await redis.get(FENCE)) > 1_000
    assert await kept(redis) == good(1, 2)


async def test_nothing_is_acknowledged_until_the_replicas_have_it(server: ValkeyServer, redis: Redis) -> None:
    async with running(server, wait_replicas=1):
        await until(lambda: redis.exists(SOURCE))
        await emit(redis, *good(1))

        async def written() -> bool:
            return await kept(redis) == good(1)

        await until(written)
        await asyncio.sleep(0.5)  # longer than the replicas are waited for
        assert (await redis.xpending(SOURCE, GROUP))["pending"] == 1
    assert await letters(redis) == []


async def test_a_server_that_dies_and_comes_back_empty_is_served_again(redis: Redis) -> None:
    with run_valkey() as server:
        client = Redis.from_url(server.url)
        async with running(server) as relay:
            await until(lambda: client.exists(SOURCE))
            await emit(client, *good(1))
            await until(lambda: done(client))
            server.kill()
            async with asyncio.timeout(10):
                while relay.active:
                    await asyncio.sleep(0.01)
            server.start()
            await client.connection_pool.disconnect()
            # Before the relay is back: the group is not there, and must begin at the start.
            await emit(client, *good(2))
            await until(lambda: done(client))
            assert await kept(client) == good(2)
        await client.aclose()
