"""Both publishers on a real server."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis.exceptions
from redis.asyncio import Redis

from gateway.client import AsyncPublisher, EventRefusedError, Publisher
from gateway.client.emission import SEEN_SECONDS
from gateway.protocol.keys import SOURCE, seen_key
from tests.support.valkey import ValkeyServer, run_valkey

PAID = {"type": "CHECK_PAID", "tenant_id": 920, "branch_id": 5, "session_id": 77}

Emit = Callable[..., Awaitable[str]]
Publish = Callable[..., Awaitable[int]]


class Producer:
    """One of the two publishers, awaited in either case."""

    def __init__(self, publisher: Publisher | AsyncPublisher) -> None:
        self._publisher = publisher

    async def emit(self, *args: Any, **named: Any) -> str:
        if isinstance(self._publisher, AsyncPublisher):
            return await self._publisher.emit(*args, **named)
        return await asyncio.to_thread(self._publisher.emit, *args, **named)

    async def publish(self, *args: Any) -> int:
        if isinstance(self._publisher, AsyncPublisher):
            return await self._publisher.publish(*args)
        return await asyncio.to_thread(self._publisher.publish, *args)


@pytest.fixture(params=["sync", "async", "decoding"])
async def producer(request: pytest.FixtureRequest, valkey: ValkeyServer) -> AsyncIterator[Producer]:
    """Publishers with a client of their own, and one with a client that decodes what comes."""
    if request.param == "sync":
        with Publisher.from_url(valkey.url) as publisher:
            yield Producer(publisher)
    else:
        async with AsyncPublisher.from_url(valkey.url, decode_responses=request.param == "decoding") as publisher:
            yield Producer(publisher)


async def entry(redis: Redis, number: str) -> dict[bytes, bytes]:
    [(found, fields)] = await redis.xrange(SOURCE, number, number)
    assert found.decode() == number
    return dict(fields)


async def test_emit_adds_the_event_and_gives_the_stream_id(producer: Producer, redis: Redis) -> None:
    first = await producer.emit(PAID)
    second = await producer.emit(json.dumps(PAID))
    assert first != second
    assert list(await entry(redis, first)) == [b"event"]
    assert json.loads((await entry(redis, first))[b"event"]) == PAID
    assert await entry(redis, second) == {b"event": json.dumps(PAID).encode()}


async def test_a_key_makes_a_repetition_harmless_for_a_day(producer: Producer, redis: Redis) -> None:
    key = secrets.token_hex(8)
    first = await producer.emit(PAID, key)
    length = await redis.xlen(SOURCE)
    assert await producer.emit(PAID, key=key) == first
    assert await producer.emit({**PAID, "another": "event"}, key=key) == first
    assert await redis.xlen(SOURCE) == length
    assert SEEN_SECONDS - 60 < await redis.ttl(seen_key(key)) <= SEEN_SECONDS
    assert await producer.emit(PAID, key=secrets.token_hex(8)) != first


async def test_of_many_that_emit_with_one_key_at_the_same_time_one_adds_the_event(
    producer: Producer, redis: Redis
) -> None:
    key = secrets.token_hex(8)
    length = await redis.xlen(SOURCE)
    ids = await asyncio.gather(*(producer.emit(PAID, key) for _ in range(20)))
    assert len(set(ids)) == 1
    assert await redis.xlen(SOURCE) == length + 1


async def test_a_key_is_known_again_by_a_server_that_forgot_its_scripts(producer: Producer, redis: Redis) -> None:
    key = secrets.token_hex(8)
    first = await producer.emit(PAID, key)
    await redis.script_flush()
    assert await producer.emit(PAID, key) == first


async def test_publish_is_heard_on_the_channel_and_says_by_how_many(producer: Producer, redis: Redis) -> None:
    async with redis.pubsub(ignore_subscribe_messages=True) as listening:
        await listening.subscribe("session:920077")
        assert await listening.get_message(timeout=5) is None  # the confirmation, which is ignored
        event = {**PAID, "session_id": 920077}
        assert await producer.publish("session:920077", event) == 1
        message = await listening.get_message(timeout=5)
        assert message is not None
        assert json.loads(message["data"]) == event
    assert await producer.publish("session:920078", {**PAID, "session_id": 920078}) == 0


async def test_what_the_gateway_would_refuse_is_not_sent(producer: Producer, redis: Redis) -> None:
    length = await redis.xlen(SOURCE)
    for wrong in ({**PAID, "type": "NOPE"}, {**PAID, "position": "1-0"}, b"[]"):
        with pytest.raises(EventRefusedError):
            await producer.emit(wrong)
        with pytest.raises(EventRefusedError):
            await producer.emit(wrong, key="unused")
        with pytest.raises(EventRefusedError):
            await producer.publish("session:77", wrong)
    with pytest.raises(ValueError, match="an idempotency key has 1 to 256 bytes"):
        await producer.emit(PAID, key="")
    assert await redis.xlen(SOURCE) == length
    assert await redis.exists(seen_key("unused")) == 0


async def test_an_outage_is_an_error_of_the_client_and_is_tried_once() -> None:
    with run_valkey() as server:
        url = server.url
        async with AsyncPublisher.from_url(url) as publisher:
            await publisher.emit(PAID)
            server.stop()
            loop = asyncio.get_running_loop()
            started = loop.time()
            with pytest.raises(redis.exceptions.ConnectionError):
                await publisher.emit(PAID, key="k")
            assert loop.time() - started < 1
        with Publisher.from_url(url) as blocking, pytest.raises(redis.exceptions.ConnectionError):
            await asyncio.to_thread(blocking.emit, PAID)


async def test_a_client_of_the_caller_s_is_used_as_it_is(valkey: ValkeyServer) -> None:
    async with Redis.from_url(valkey.url) as client:
        publisher = AsyncPublisher(client)
        assert await publisher.emit(PAID)
        assert await client.ping()


async def test_a_malformed_url_is_a_value_error() -> None:
    for kind in (Publisher, AsyncPublisher):
        with pytest.raises(ValueError, match="scheme"):
            kind.from_url("http://127.0.0.1")
        with pytest.raises(ValueError, match=r"cannot be used.*no_such_option"):
            kind.from_url("redis://127.0.0.1/0?no_such_option=1")
