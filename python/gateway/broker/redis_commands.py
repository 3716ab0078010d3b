"""Commands to one Redis or Valkey server for one duty: a pool, a breaker, a time-out, and our own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.broker.failures import LIBRARY_ERRORS, UNAVAILABLE, broker_error
from gateway.broker.url import check_url, redact_url
from gateway.errors import BrokerError
from gateway.resilience.circuit_breaker import CircuitBreaker

MAX_CONNECTIONS = 16
"""Connections for commands. A command takes a fraction of a millisecond: this many are thousands of commands a second,
and a burst of admissions waits for one instead of opening its own."""

_FIXED: dict[str, Any] = {
    # Tried once: a retry inside the library would hide failures from the breaker and stretch every time-out.
    "retry": Retry(NoBackoff(), 0),
    "retry_on_timeout": False,
    "decode_responses": False,
    # RESP2 throughout: the Pub/Sub reader is written for it, and nothing here needs RESP3.
    "protocol": 2,
}


class RedisCommands:
    """A client behind a circuit breaker. Connects on first use; for one event loop, not thread-safe.

    redis-py silently makes a connection anew that the server has closed. For a duty that must notice it, because the
    server on the other side may be another one that lacks the last writes, the commands are *sealed*: from then on a
    new connection is an error.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with what redis-py understands in its query.
        breaker: of this duty.
        timeout: seconds for a connection attempt, and for whatever is done within one `asking()`.
        max_connections: connections in the pool; who needs more waits.

    Raises:
        BrokerError: the URL is none of one server.
    """

    def __init__(
        self, url: str, breaker: CircuitBreaker, *, timeout: float = 5.0, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        check_url(url)
        self.where = redact_url(url)
        self.timeout = timeout
        self._breaker = breaker
        self._sealed = False
        defaults: dict[str, Any] = {
            "max_connections": max_connections,
            "timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_timeout": timeout,
        }
        try:
            # Not `from_url`, with which the URL's query would win over what is fixed.
            options: dict[str, Any] = {**defaults, **parse_url(url), **_FIXED, "redis_connect_func": self._on_connect}
            self.pool = BlockingConnectionPool(**options)
            # Connects nothing, but looks at every option, so that a misspelt one is reported here and not at the first
            # command.
            self.pool.make_connection()  # type: ignore[no-untyped-call]
        except (TypeError, ValueError) as error:
            raise BrokerError(f"the Redis URL {self.where} has a part that cannot be used: {error}") from None
        self.client = Redis(connection_pool=self.pool)

    @asynccontextmanager
    async def asking(self, extra_seconds: float = 0.0) -> AsyncIterator[Redis]:
        """The client, behind the breaker and within the time; `extra_seconds` for a command that waits by itself.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        try:
            with self._breaker.guard(*UNAVAILABLE):
                # One bound over waiting for a connection, connecting, writing and reading, each of which has its own
                # in the library. A cancelled command's connection is dropped by redis-py, so no answer goes astray.
                async with asyncio.timeout(self.timeout + extra_seconds):
                    yield self.client
        except LIBRARY_ERRORS as error:
            raise broker_error(self.where, error) from error

    async def reconnect(self) -> None:
        """Drop every connection, make one anew and seal.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        await self.close()
        async with self.asking() as client:
            await client.ping()
        self._sealed = True

    async def close(self) -> None:
        """Drop every connection and unseal; the next command connects anew. Never raises."""
        self._sealed = False
        with suppress(*LIBRARY_ERRORS):
            await self.pool.disconnect()

    async def _on_connect(self, connection: AbstractConnection) -> None:
        if self._sealed:
            raise RedisConnectionError("the connection was lost")
        await connection.on_connect()
