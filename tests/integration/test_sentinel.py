"""A gateway whose Redis is a master that Sentinels watch: failovers in good order and by force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.broker.redis import create_broker
from gateway.broker.redis_commands import RedisCommands
from gateway.client import AsyncPublisher, Publisher
from gateway.errors import BrokerError, CircuitOpenError
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.sentinel import WatchedMaster, run_sentinel
from tests.support.steady import AWAY, SteadyProducer, recorder
from tests.support.tokens import staff_token

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@pytest.fixture
def watched() -> Iterator[WatchedMaster]:
    """Its own for each test, since masters are replaced."""
    with run_sentinel() as watched:
        yield watched


@pytest.fixture
def node(watched: WatchedMaster) -> Iterator[RunningGateway]:
    # The breakers open for a shorter time than by default: how long that is, is tested elsewhere.
    with run_gateway(watched.url, breaker_open=1.0) as running:
        yield running


async def best_effort(watched: WatchedMaster, node: RunningGateway) -> None:
    """Publish until the gateway has heard it, which a client of it confirms."""
    async with welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="b", branches=(6,))) as peer:
        event = {**READY, "branch_id": 6}
        async with AsyncPublisher.from_url(watched.url) as publisher, asyncio.timeout(30):
            assert await publisher.publish("branch:6:kitchen", event) == 1
        assert await peer.json() == event


async def joins(node: RunningGateway, seconds: float = 40.0) -> None:
    """Somebody can come in again."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                async with welcomed(node.ws, "/ws/waiter", staff_token(user="late")):
                    return
            except Exception:  # noqa: BLE001 - refused with 1013 for as long as Redis is away
                await asyncio.sleep(0.1)


async def test_a_failover_in_good_order_costs_nothing(watched: WatchedMaster, node: RunningGateway) -> None:
    async with recorder(node.ws) as kitchen, SteadyProducer(watched.url) as producer:
        await kitchen.until([1])
        old = watched.master
        await asyncio.to_thread(watched.failover, coordinated=True)
        assert watched.master is not old
        before = len(producer.emitted[5])
        async with asyncio.timeout(30):
            while len(producer.emitted[5]) < before + 50:
                await asyncio.sleep(0.05)
        await producer.stop()
        await kitchen.until(producer.emitted[5])
        kitchen.check(producer.emitted[5])
    await joins(node)
    await best_effort(watched, node)


async def test_a_killed_master_is_replaced_without_a_restart(watched: WatchedMaster, node: RunningGateway) -> None:
    async with recorder(node.ws) as kitchen, SteadyProducer(watched.url) as producer:
        await kitchen.until([1])
        old = watched.master
        old.kill()
        await asyncio.to_thread(watched.await_failover, old)
        await producer.emit_again(200)
        before = len(producer.emitted[5])
        async with asyncio.timeout(30):
            while len(producer.emitted[5]) < before + 20:
                await asyncio.sleep(0.05)
        await producer.stop()
        assert producer.failures, "or nothing was tested"
        await kitchen.until(producer.emitted[5])
        kitchen.check(producer.emitted[5])
    await joins(node)
    # The old master comes back, empty, and is made a replica: nobody follows it.
    old.start()
    await joins(node)
    await best_effort(watched, node)


async def test_who_only_listens_follows_the_master_at_once(watched: WatchedMaster) -> None:
    broker = create_broker(watched.url)
    connection = await broker.pubsub()
    await connection.subscribe(["session:1"])
    assert (await connection.read()).subscribed == ["session:1"]
    await asyncio.to_thread(watched.failover, coordinated=False)
    # Nothing but the watch tells: the old master and the connection to it are as good as before.
    async with asyncio.timeout(5):
        with pytest.raises(BrokerError, match="another server is the master"):
            await connection.read()
    await connection.close()
    connection = await broker.pubsub()
    await connection.subscribe(["session:1"])
    async with AsyncPublisher.from_url(watched.url) as publisher:
        event = json.dumps({"type": "CART_SYNC", "tenant_id": 1, "branch_id": 5, "session_id": 1})
        await connection.read()
        assert await publisher.publish("session:1", event) == 1
    assert [message.payload for message in (await connection.read()).messages] == [event.encode()]
    await connection.close()
    await broker.close()


async def test_a_write_to_a_demoted_master_is_away_and_the_next_one_finds_the_new(watched: WatchedMaster) -> None:
    commands = RedisCommands(watched.url, CircuitBreaker("commands", SystemClock(), open_seconds=0))
    await commands.ping()
    await asyncio.to_thread(watched.failover, coordinated=True)
    # The connection was cut, or is answered with READONLY, or a new one is made: never is the wrong server believed.
    done = False
    async with asyncio.timeout(10):
        while not done:
            with suppress(BrokerError):
                async with commands.asking() as client:
                    done = bool(await client.set("sentinel:written", "x"))
    with watched.master.admin() as admin:
        assert admin.get("sentinel:written") == "x"
    await commands.close()


async def test_a_single_server_that_became_a_replica_is_away(watched: WatchedMaster) -> None:
    """As behind a name or an address that moves to the new master: the next connection may lead there."""
    breaker = CircuitBreaker("commands", SystemClock(), failures=2)
    commands = RedisCommands(watched.second.url, breaker)
    for _ in range(2):
        with pytest.raises(BrokerError, match="is a replica by now"):
            async with commands.asking() as client:
                await client.set("sentinel:written", "x")
    with pytest.raises(CircuitOpenError):
        await commands.ping()
    await commands.close()


async def test_both_publishers_follow_the_master(watched: WatchedMaster) -> None:
    with Publisher.from_url(watched.url) as blocking:
        async with AsyncPublisher.from_url(watched.url) as publisher:
            first = await publisher.emit(READY, key="one")
            assert await asyncio.to_thread(blocking.emit, READY, "one") == first
            old = watched.master
            old.kill()
            await asyncio.to_thread(watched.await_failover, old)
            async with asyncio.timeout(20):
                while True:
                    try:
                        again = await publisher.emit(READY, key="one")
                        break
                    except AWAY:
                        await asyncio.sleep(0.1)
            assert again == first, "the replica has the key"
            # The library may notice that its connection is gone only when it is used.
            with suppress(*AWAY):
                await asyncio.to_thread(blocking.emit, READY, "one")
            assert await asyncio.to_thread(blocking.emit, READY, "one") == first


async def test_sentinels_that_refuse_or_do_not_know_the_name_are_errors_that_say_so(watched: WatchedMaster) -> None:
    for url in (watched.url_without_sentinel_password, watched.url_of_another_service):
        broker = create_broker(url)
        for call in (broker.ping, broker.pubsub):
            with pytest.raises(BrokerError, match=r"Sentinel|password") as caught:
                await call()
            assert watched.first.password not in str(caught.value)
        await broker.close()
