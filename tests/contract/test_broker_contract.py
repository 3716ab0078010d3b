"""What `broker.base` promises, asked of every way to reach a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from redis.asyncio import Redis

from gateway.broker.base import Broker, PubSubBatch, PubSubConnection
from gateway.broker.redis import create_broker
from gateway.broker.redis_commands import RedisCommands
from gateway.errors import BrokerError
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.kinds import Place
from tests.support.valkey import ValkeyServer

EVERY_BYTE = bytes(range(256)) * 4


@pytest.fixture
async def broker(place: Place) -> AsyncIterator[Broker]:
    broker = create_broker(place.url)
    yield broker
    await broker.close()


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Redis]:
    """A plain client, to look at the server from the side."""
    async with place.plain() as client:
        yield client


async def connections(place: Place, kind: str = "normal") -> int:
    """How many connections of clients the servers have, this one not counted."""
    count = 0
    for server in place.servers:
        async with Redis.from_url(server.url) as client:
            count += len(await client.client_list(_type=kind)) - (kind == "normal")
    return count


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[PubSubConnection]:
    connection = await broker.pubsub()
    yield connection
    await connection.close()


async def read_until(connection: PubSubConnection, enough: Callable[[PubSubBatch], bool]) -> PubSubBatch:
    """Read until what has come altogether is enough."""
    whole = PubSubBatch([], [], [], 0)
    async with asyncio.timeout(10):
        while not enough(whole):
            messages, subscribed, unsubscribed, pongs, lost = await connection.read()
            whole.messages.extend(messages)
            whole.subscribed.extend(subscribed)
            whole.unsubscribed.extend(unsubscribed)
            whole = whole._replace(pongs=whole.pongs + pongs, lost=(*whole.lost, *lost))
    return whole


async def test_ping_returns_when_the_server_answers(broker: Broker) -> None:
    await broker.ping()


async def test_many_values_come_in_the_order_of_their_keys_and_missing_ones_as_none(
    broker: Broker, redis: Redis
) -> None:
    await redis.set("contract:one", b"\x00\xff")
    await redis.set("contract:empty", b"")
    await redis.sadd("contract:set", "x")
    keys = ["contract:none", "contract:one", "contract:empty", "contract:set", "contract:one"]
    assert await broker.get_many(keys) == [None, b"\x00\xff", b"", None, b"\x00\xff"]
    assert await broker.get_many([]) == []


async def test_the_members_of_a_set(broker: Broker, redis: Redis) -> None:
    await redis.sadd("contract:members", "9", b"\xff")
    assert await broker.set_members("contract:members") == frozenset({b"9", b"\xff"})
    assert await broker.set_members("contract:nobody") == frozenset()


async def test_a_key_of_another_type_is_an_error_in_our_words(broker: Broker, redis: Redis) -> None:
    await redis.set("contract:string", "x")
    with pytest.raises(BrokerError, match="answered with an error: WRONGTYPE"):
        await broker.set_members("contract:string")


async def test_what_a_url_says_about_the_protocol_changes_nothing(valkey: ValkeyServer) -> None:
    broker = create_broker(f"{valkey.url}?protocol=3&decode_responses=true&retry_on_timeout=true")
    connection = await broker.pubsub()
    await connection.subscribe(["contract:protocol"])
    await broker.publish("contract:protocol", b"\xff")
    assert (await read_until(connection, lambda batch: bool(batch.messages))).messages == [
        ("contract:protocol", b"\xff")
    ]
    assert await broker.set_members("contract:nobody") == frozenset()
    await connection.close()
    await broker.close()


async def test_info_names_version_and_eviction_policy(broker: Broker) -> None:
    info = await broker.info()
    assert info["maxmemory_policy"] == "noeviction"
    assert info["redis_version"]
    assert all(isinstance(value, str) for value in info.values())


async def test_publish_says_how_many_heard_it(broker: Broker, connection: PubSubConnection, place: Place) -> None:
    assert await broker.publish("contract:heard", b"x") == 0
    await connection.subscribe(["contract:heard"])
    await connection.psubscribe(["contract:h*"])
    await read_until(connection, lambda batch: len(batch.subscribed) == 2)
    # A cluster's node counts those alone that are connected to it.
    assert await broker.publish("contract:heard", b"x") in ({0, 2} if place.clustered else {2})


async def test_every_byte_of_a_payload_comes_through_and_in_order(broker: Broker, connection: PubSubConnection) -> None:
    await connection.subscribe(["contract:bytes"])
    await read_until(connection, lambda batch: bool(batch.subscribed))
    payloads = [EVERY_BYTE + b"%d" % number for number in range(300)]
    for payload in payloads:
        await broker.publish("contract:bytes", payload)
    batch = await read_until(connection, lambda batch: len(batch.messages) == 300)
    assert [message.payload for message in batch.messages] == payloads
    assert {message.channel for message in batch.messages} == {"contract:bytes"}


async def test_a_large_payload_is_put_together_from_many_reads(broker: Broker, connection: PubSubConnection) -> None:
    await connection.subscribe(["contract:large"])
    large = EVERY_BYTE * 3_000
    await broker.publish("contract:large", large)
    batch = await read_until(connection, lambda batch: bool(batch.messages))
    assert batch.messages[0].payload == large


async def test_a_pattern_gives_the_channels_own_name(broker: Broker, connection: PubSubConnection) -> None:
    await connection.psubscribe(["contract:*:kitchen"])
    await read_until(connection, lambda batch: batch.subscribed == ["contract:*:kitchen"])
    await broker.publish("contract:5:kitchen", b"x")
    await broker.publish("contract:5:admin", b"y")
    await broker.publish("contract:6:kitchen", b"z")
    batch = await read_until(connection, lambda batch: len(batch.messages) == 2)
    assert batch.messages == [("contract:5:kitchen", b"x"), ("contract:6:kitchen", b"z")]


async def test_every_channel_of_a_command_is_confirmed_by_name(connection: PubSubConnection) -> None:
    names = [f"contract:{number}" for number in range(1_000)]
    await connection.subscribe(names)
    assert (await read_until(connection, lambda batch: len(batch.subscribed) == 1_000)).subscribed == names
    await connection.unsubscribe(names[:500])
    assert (await read_until(connection, lambda batch: len(batch.unsubscribed) == 500)).unsubscribed == names[:500]


async def test_after_its_confirmed_end_a_subscription_brings_nothing(
    broker: Broker, connection: PubSubConnection
) -> None:
    await connection.subscribe(["contract:gone", "contract:kept"])
    await connection.unsubscribe(["contract:gone"])
    await read_until(connection, lambda batch: bool(batch.unsubscribed))
    await broker.publish("contract:gone", b"x")
    await broker.publish("contract:kept", b"y")
    assert (await read_until(connection, lambda batch: bool(batch.messages))).messages == [("contract:kept", b"y")]


async def test_a_ping_is_answered_with_and_without_subscriptions(connection: PubSubConnection) -> None:
    await connection.ping()
    assert (await read_until(connection, lambda batch: batch.pongs == 1)).pongs == 1
    await connection.subscribe(["contract:ping"])
    await connection.ping()
    batch = await read_until(connection, lambda batch: batch.pongs == 1)
    assert batch.subscribed == ["contract:ping"], "answers come in the order of the questions"


async def test_a_closed_connection_is_gone_from_the_server(broker: Broker, place: Place) -> None:
    before = await connections(place, "pubsub")
    connection = await broker.pubsub()
    await connection.subscribe(["contract:closed"])
    await read_until(connection, lambda batch: bool(batch.subscribed))
    await connection.close()
    await connection.close()
    async with asyncio.timeout(10):
        while await connections(place, "pubsub") > before:
            await asyncio.sleep(0.01)
    calls: list[Callable[[], Awaitable[object]]] = [connection.read, connection.ping]
    for call in calls:
        with pytest.raises(BrokerError):
            await call()


async def test_a_hundred_callers_at_once_share_few_connections(broker: Broker, place: Place) -> None:
    before = await connections(place)
    await asyncio.gather(*(broker.get_many(["contract:none"]) for _ in range(100)))
    # A cluster was asked for its map over one more.
    assert await connections(place) - before <= 16 + place.clustered


async def test_sharded_channels_are_confirmed_by_name_and_bring_what_is_published_on_them(
    connection: PubSubConnection, redis: Redis
) -> None:
    names = [f"{{contract:{number}}}:live" for number in range(100)]
    await connection.ssubscribe(names)
    await connection.ping()
    batch = await read_until(connection, lambda batch: batch.pongs == 1)
    assert sorted(batch.subscribed) == sorted(names), "a ping is answered behind every subscription before it"
    for name in names:
        await redis.eval("return redis.call('SPUBLISH', KEYS[1], ARGV[1])", 1, name, name)  # type: ignore[misc]
    batch = await read_until(connection, lambda batch: len(batch.messages) == 100)
    assert sorted(batch.messages) == sorted((name, name.encode()) for name in names)
    await connection.sunsubscribe(names[:50])
    batch = await read_until(connection, lambda batch: len(batch.unsubscribed) == 50)
    assert sorted(batch.unsubscribed) == sorted(names[:50])


async def test_plain_and_sharded_channels_of_one_name_are_two(
    connection: PubSubConnection, broker: Broker, redis: Redis
) -> None:
    await connection.ssubscribe(["{contract}:both"])
    await connection.ping()
    await read_until(connection, lambda batch: batch.pongs == 1)
    await broker.publish("{contract}:both", b"plain")
    await redis.eval("return redis.call('SPUBLISH', KEYS[1], ARGV[1])", 1, "{contract}:both", "sharded")  # type: ignore[misc]
    assert (await read_until(connection, lambda batch: bool(batch.messages))).messages == [
        ("{contract}:both", b"sharded")
    ]


async def test_a_restarted_relay_asks_for_everything_and_seals(place: Place) -> None:
    commands = RedisCommands(place.url, CircuitBreaker("relay", SystemClock()), max_connections=1)
    await commands.reconnect()
    assert await commands.get_many([f"contract:seal:{number}" for number in range(50)]) == [None] * 50
    for server in place.servers:
        async with Redis.from_url(server.url) as admin:
            await admin.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(BrokerError):
        await commands.get_many([f"contract:seal:{number}" for number in range(50)])
    await commands.reconnect()
    await commands.ping()
    await commands.close()
