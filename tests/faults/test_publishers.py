"""The connection of a back end's publisher breaks between PUBLISH and its answer: the event is not sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.client import AsyncPublisher, Publisher
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.seat import TENANT
from tests.support.valkey import ValkeyServer

CHANNEL = "branch:51:admin"
EVENT = {"type": "ENTITY_UPDATED", "tenant_id": TENANT, "branch_id": 51}


@pytest.fixture
async def link(valkey: ValkeyServer) -> AsyncIterator[Proxy]:
    async with proxy_to(valkey.port) as proxy:
        yield proxy


@pytest.fixture
async def heard(valkey: ValkeyServer) -> AsyncIterator[Any]:
    """Hears the channel, past the proxy."""
    async with Redis.from_url(valkey.url) as redis, redis.pubsub() as pubsub:
        await pubsub.subscribe(CHANNEL)
        await pubsub.get_message(timeout=10)
        yield pubsub


@pytest.mark.parametrize("kind", [AsyncPublisher, Publisher])
async def test_a_publish_whose_answer_is_lost_raises_and_is_not_repeated(
    kind: Any, valkey: ValkeyServer, link: Proxy, heard: Any
) -> None:
    publisher = kind.from_url(valkey.url.replace(f":{valkey.port}/", f":{link.port}/"))

    async def publish() -> int:
        if kind is Publisher:
            return await asyncio.to_thread(publisher.publish, CHANNEL, EVENT)
        return int(await publisher.publish(CHANNEL, EVENT))

    try:
        assert await publish() == 1  # it is connected from here on
        await heard.get_message(timeout=10)
        link.delay = 1.0
        publishing = asyncio.create_task(publish())
        assert (await heard.get_message(timeout=10))["type"] == "message"
        link.sever()  # the answer is under way, for a second
        link.mend()
        with pytest.raises(RedisError):
            await publishing
        async with Redis.from_url(valkey.url) as redis:
            await redis.publish(CHANNEL, "behind it")
        assert (await heard.get_message(timeout=10))["data"] == b"behind it"
    finally:
        closing = publisher.close()
        if closing is not None:
            await closing
