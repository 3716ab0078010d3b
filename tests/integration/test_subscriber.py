"""The subscriber against a real server that is killed, restarted, paused and flooded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from gateway.broker.redis import create_broker
from gateway.errors import BrokerError
from gateway.fanout.base import CoreStats, Occupancy, Submission
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.subscriber import RedisSubscriber
from gateway.protocol.audiences import PATTERNS
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import SystemClock
from tests.support.valkey import ValkeyServer


def event(branch: int = 5, **members: object) -> bytes:
    return json.dumps({"type": "ROUND_READY", "tenant_id": 1, "branch_id": branch, **members}).encode()


class Node:
    """A subscriber with its interest; what it submits and reports is kept."""

    def __init__(self, url: str, *, patterns: Sequence[str] = (), ping_interval: float = 15.0) -> None:
        self.submitted: list[Submission] = []
        self.interruptions = 0
        self.outages: list[float] = []
        self.dropped: dict[str, int] = {}
        self.largest_batch = 0
        clock = SystemClock()
        self.interest = Interest(patterns=patterns)
        self.broker = create_broker(url)
        self.subscriber = RedisSubscriber(
            self.broker,
            self.interest,
            RoutingTable(),
            self,
            # Short waits and a patient breaker: its own times are tested with a clock that tests move.
            LinkOptions(
                breaker=CircuitBreaker("pubsub", clock, failures=1_000),
                jitter=DecorrelatedJitter(0.01, 0.05),
                clock=clock,
                ping_interval=ping_interval,
                answer_timeout=ping_interval,
            ),
            drop_rate=EventDropRateTracker(clock),
            observer=self,
        )

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        self.submitted.extend(items)
        self.largest_batch = max(self.largest_batch, len(items))
        return [True] * len(items)

    def stats(self) -> CoreStats:
        return CoreStats(0, 0, 0, 0, len(self.submitted), 0)

    def on_received(self, source: str, events: int) -> None:
        pass

    def on_submitted(self, events: int) -> None:
        pass

    def on_dropped(self, reason: str, events: int) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + events

    def on_interruption(self) -> None:
        self.interruptions += 1

    def on_tenants(self, events: Mapping[int, int], dropped: Mapping[int, int]) -> None:
        """Counted by `on_submitted` already."""

    def on_reconnected(self, seconds: float) -> None:
        self.outages.append(seconds)

    @property
    def payloads(self) -> list[bytes]:
        return [item.payload for item in self.submitted]


@asynccontextmanager
async def running(url: str, *, patterns: Sequence[str] = (), ping_interval: float = 15.0) -> AsyncIterator[Node]:
    node = Node(url, patterns=patterns, ping_interval=ping_interval)
    await node.subscriber.start()
    try:
        async with asyncio.timeout(10):
            await node.subscriber.wait_live()
        yield node
    finally:
        await node.subscriber.stop()
        await node.broker.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("patterns", [(), PATTERNS], ids=["exact", "patterns"])
@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_nothing_that_is_published_while_a_hold_lasts_is_missed(
    valkey: ValkeyServer, way: str, patterns: Sequence[str]
) -> None:
    url = valkey.url if way == "tcp" else valkey.unix_url
    async with running(url, patterns=patterns) as node, Redis.from_url(valkey.url) as producer:
        for branch in range(700, 730):
            async with node.interest.hold([f"branch:{branch}:kitchen", f"branch:{branch}:admin"]):
                assert await producer.publish(f"branch:{branch}:kitchen", event(branch)) >= 1
        await until(lambda: len(node.submitted) == 30)
        assert node.payloads == [event(branch) for branch in range(700, 730)]


async def test_a_flood_is_read_in_batches_in_order_and_without_loss(valkey: ValkeyServer) -> None:
    async with running(valkey.url) as node, Redis.from_url(valkey.url) as producer:
        async with node.interest.hold(["branch:731:kitchen"]):
            expected = [event(731, number=number) for number in range(5_000)]
            for start in range(0, 5_000, 500):
                async with producer.pipeline(transaction=False) as pipeline:
                    for payload in expected[start : start + 500]:
                        pipeline.publish("branch:731:kitchen", payload)
                    await pipeline.execute()
            await until(lambda: len(node.submitted) == 5_000)
        assert node.payloads == expected
        assert node.largest_batch > 10
        assert not node.dropped


async def test_a_killed_server_is_one_interruption_and_its_successor_gets_every_subscription(
    own_valkey: ValkeyServer,
) -> None:
    async with running(own_valkey.url) as node:
        names = tuple(f"session:{number}" for number in range(1, 3_001))
        node.interest.on_occupancy(Occupancy(occupied=names))
        await until(lambda: node.interest.confirmed == 3_000)
        own_valkey.kill()
        await until(lambda: not node.subscriber.live)
        assert node.interest.confirmed == 0
        await asyncio.sleep(0.1)  # some attempts fail meanwhile
        node.interest.on_occupancy(Occupancy(occupied=("session:4000",), vacated=("session:1",)))
        own_valkey.start()
        await until(lambda: node.subscriber.live)
        assert node.interest.confirmed == 3_000
        assert node.interruptions == 1
        assert len(node.outages) == 1
        assert node.outages[0] >= 0.1
        async with Redis.from_url(own_valkey.url) as producer:
            assert await producer.publish("session:4000", event(session_id=4000)) == 1
            assert await producer.publish("session:1", event(session_id=1)) == 0
        await until(lambda: len(node.submitted) == 1)


async def test_a_server_that_hangs_is_left_after_two_silences_and_found_again(own_valkey: ValkeyServer) -> None:
    async with running(own_valkey.url, ping_interval=0.2) as node:
        node.interest.on_occupancy(Occupancy(occupied=("session:7",)))
        await until(lambda: node.interest.confirmed == 1)
        own_valkey.pause()
        loop = asyncio.get_running_loop()
        started = loop.time()
        await until(lambda: not node.subscriber.live)
        assert 0.2 < loop.time() - started < 2
        own_valkey.resume()
        await until(lambda: node.subscriber.live)
        assert node.interruptions == 1
        async with Redis.from_url(own_valkey.url) as producer:
            assert await producer.publish("session:7", event(session_id=7)) >= 1
        await until(lambda: len(node.submitted) == 1)


async def test_a_quiet_but_living_server_is_not_left(own_valkey: ValkeyServer) -> None:
    async with running(own_valkey.url, ping_interval=0.05) as node:
        await asyncio.sleep(0.5)
        assert node.subscriber.live
        assert node.interruptions == 0


async def test_while_the_server_is_away_a_hold_is_refused_and_afterwards_granted(own_valkey: ValkeyServer) -> None:
    async with running(own_valkey.url) as node:
        node.interest._timeout = 0.2
        own_valkey.kill()
        await until(lambda: not node.subscriber.live)
        with pytest.raises(BrokerError, match="did not confirm"):
            async with node.interest.hold(["session:7"]):
                pytest.fail("let in without Redis")
        own_valkey.start()
        await until(lambda: node.subscriber.live)
        async with node.interest.hold(["session:7"]):
            pass


async def test_a_hold_that_began_while_the_server_was_away_is_granted_when_it_is_back(
    own_valkey: ValkeyServer,
) -> None:
    async with running(own_valkey.url) as node:
        own_valkey.kill()
        await until(lambda: not node.subscriber.live)
        hold = asyncio.create_task(node.interest.hold(["session:7"]).__aenter__())
        await asyncio.sleep(0.05)
        own_valkey.start()
        async with asyncio.timeout(10):
            await hold


async def test_a_gateway_that_starts_before_its_server_connects_when_it_comes(own_valkey: ValkeyServer) -> None:
    own_valkey.stop()
    node = Node(own_valkey.url)
    await node.subscriber.start()
    await asyncio.sleep(0.1)
    assert not node.subscriber.live
    own_valkey.start()
    await until(lambda: node.subscriber.live)
    assert node.interruptions == 0
    await node.subscriber.stop()
    await node.broker.close()


async def test_a_connection_that_the_server_cuts_is_an_interruption(valkey: ValkeyServer) -> None:
    async with running(valkey.url) as node, Redis.from_url(valkey.url) as admin:
        node.interest.on_occupancy(Occupancy(occupied=("session:7",)))
        await until(lambda: node.interest.confirmed == 1)
        assert await admin.client_kill_filter(_type="pubsub") >= 1
        await until(lambda: node.interruptions == 1 and node.subscriber.live)
        assert node.interest.confirmed == 1


async def test_a_hundred_thousand_channels_are_subscribed_anew_at_once(own_valkey: ValkeyServer) -> None:
    async with running(own_valkey.url) as node:
        names = tuple(f"session:{number}" for number in range(1, 100_001))
        node.interest.on_occupancy(Occupancy(occupied=names))
        await until(lambda: node.interest.confirmed == 100_000)
        own_valkey.kill()
        own_valkey.start()
        await until(lambda: node.interruptions == 1 and node.subscriber.live)
        assert node.interest.confirmed == 100_000
        assert node.interruptions == 1
