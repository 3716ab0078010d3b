"""The broker port on one Redis or Valkey server, by redis-py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway.broker.failures import LIBRARY_ERRORS, UNAVAILABLE, broker_error
from gateway.broker.redis_pubsub import RedisPubSubConnection
from gateway.broker.url import check_url, redact_url
from gateway.errors import BrokerError
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock

__all__ = ["RedisBroker", "create_broker", "redact_url"]

MAX_CONNECTIONS = 16
"""Connections for commands. A command takes a fraction of a millisecond: this many are thousands of commands a second,
and a burst of admissions waits for one instead of opening its own."""


_FIXED: dict[str, Any] = {
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "decode_responses": False,
    # RESP2 throughout: the Pub/Sub reader is written for it, and nothing here needs RESP3.
    "protocol": 2,
}


class RedisBroker:
    """Keeps `broker.base.Broker`. Connects on first use; for one event loop, not thread-safe.

    Commands pass the circuit breaker and are tried once: a retry inside the library would hide failures from the
    breaker and stretch every time-out. A pooled connection that the server closed meanwhile is noticed and made anew.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with what redis-py understands in its query.
        breaker: of duty `commands`.
        timeout: seconds for a connection attempt, and for a command with all that it waits for.
        max_connections: connections for commands; Pub/Sub connections come on top.

    Raises:
        BrokerError: the URL is none of one server.
    """

    def __init__(
        self,
        url: str,
        breaker: CircuitBreaker,
        *,
        timeout: float = 5.0,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        check_url(url)
        self.where = redact_url(url)
        self._breaker = breaker
        self._timeout = timeout
        defaults: dict[str, Any] = {
            "max_connections": max_connections,
            "timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_timeout": timeout,
        }
        try:
            # Not `from_url`, with which the URL's query would win over what is fixed.
            options: dict[str, Any] = {**defaults, **parse_url(url), **_FIXED}
            self._pool = BlockingConnectionPool(**options)
            # Connects nothing, but looks at every option, so that a misspelt one is reported here and not at the first
            # command.
            self._pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError) as error:
            raise BrokerError(f"the Redis URL {self.where} has a part that cannot be used: {error}") from None
        self._client = Redis(connection_pool=self._pool)

    async def ping(self) -> None:
        """See `Broker.ping`."""
        async with self._asking():
            await self._client.ping()

    async def publish(self, channel: str, payload: bytes) -> int:
        """See `Broker.publish`."""
        async with self._asking():
            return int(await self._client.publish(channel, payload))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Broker.get_many`."""
        if not keys:
            return []
        async with self._asking():
            # The stubs cannot tell that nothing is decoded here (`decode_responses`).
            return cast("list[bytes | None]", await self._client.mget(keys))

    async def set_members(self, key: str) -> frozenset[bytes]:
        """See `Broker.set_members`."""
        async with self._asking():
            return frozenset(cast("set[bytes]", await self._client.smembers(key)))

    async def info(self) -> dict[str, str]:
        """See `Broker.info`. Two commands: servers before version 7 take one section at a time."""
        async with self._asking():
            server = await self._client.info("server")
            memory = await self._client.info("memory")
        return {name: str(value) for name, value in (server | memory).items()}

    async def pubsub(self) -> RedisPubSubConnection:
        """See `Broker.pubsub`. Not behind the breaker of commands: the subscriber has its own."""
        return await RedisPubSubConnection.connect(self._pool, self.where, self._timeout)

    async def close(self) -> None:
        """See `Broker.close`. Pub/Sub connections belong to who asked for them."""
        with suppress(*LIBRARY_ERRORS):
            await self._client.aclose()
            await self._pool.disconnect()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Behind the breaker, within the time, with our own errors."""
        try:
            with self._breaker.guard(*UNAVAILABLE):
                # One bound over waiting for a connection, connecting, writing and reading, each of which has its own
                # in the library. A cancelled command's connection is dropped by redis-py, so no answer goes astray.
                async with asyncio.timeout(self._timeout):
                    yield
        except LIBRARY_ERRORS as error:
            raise broker_error(self.where, error) from error


def create_broker(
    url: str,
    *,
    breaker: CircuitBreaker | None = None,
    timeout: float = 5.0,
    max_connections: int = MAX_CONNECTIONS,
) -> RedisBroker:
    """The broker for a URL; without `breaker` one of the default numbers.

    Raises:
        BrokerError: the URL is malformed, or of a kind that is not served.
    """
    return RedisBroker(
        url,
        breaker or CircuitBreaker("commands", SystemClock()),
        timeout=timeout,
        max_connections=max_connections,
    )
