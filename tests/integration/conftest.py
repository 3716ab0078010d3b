"""A gateway and a producer that the tests of one file share."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.gateway import RunningGateway, run_gateway
from tests.support.valkey import ValkeyServer, run_valkey


@pytest.fixture(params=["native", "asgi"])
def sockets(request: pytest.FixtureRequest) -> str:
    """Whose a gateway's sockets are: the core's, then the server's."""
    return str(request.param)


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server that the test may stop, and whose source stream and relay are nobody else's."""
    with run_valkey() as server:
        yield server


@pytest.fixture(scope="module", params=["native", "asgi"])
def gateway(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Iterator[RunningGateway]:
    """A gateway with the default settings on the native core; its sockets are the core's, then the server's."""
    with run_gateway(valkey.url, sockets=request.param) as running:
        yield running


class Producer:
    """A back end: publishes JSON with the ordinary client library."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    async def publish(self, channel: str, event: dict[str, Any] | str | bytes) -> int:
        """Publish; how many subscriptions heard it."""
        payload = event if isinstance(event, str | bytes) else json.dumps(event)
        return int(await self.redis.publish(channel, payload))


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    """A plain connection to the tests' Valkey."""
    connection = Redis.from_url(valkey.url)
    yield connection
    await connection.aclose()


@pytest.fixture
def producer(redis: Redis) -> Producer:
    """A back end."""
    return Producer(redis)
