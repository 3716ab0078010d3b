"""Commands to Redis for one duty, whatever kind of Redis it is: a breaker, a time-out, and our own errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.broker.base import PubSubConnection
from gateway.broker.deployment import Deployment, Opening, understand
from gateway.broker.failures import DEMOTED, LIBRARY_ERRORS, UNAVAILABLE, broker_error
from gateway.broker.redis_cluster import ClusterServers
from gateway.broker.redis_sentinel import SentinelMaster
from gateway.broker.redis_single import SingleServer
from gateway.redis_url import RedisKind
from gateway.resilience.circuit_breaker import CircuitBreaker

MAX_CONNECTIONS: Final = 16
"""Connections for commands. A command takes a fraction of a millisecond: this many are thousands of commands a second,
and a burst of admissions waits for one instead of opening its own."""

_KINDS: Final[dict[RedisKind, Callable[[Opening], Deployment]]] = {
    RedisKind.SINGLE: SingleServer,
    RedisKind.SENTINEL: SentinelMaster,
    RedisKind.CLUSTER: ClusterServers,
}


class RedisCommands:
    """A client behind a circuit breaker. Connects on first use; for one event loop, not thread-safe.

    redis-py silently makes a connection anew that the server has closed. For a duty that must notice it, because the
    server on the other side may be another one that lacks the last writes, the commands are *sealed*: from then on a
    new connection is an error. In a cluster that holds for the connections to all masters.

    Attributes:
        where: the URL, redacted.
        clustered: whether a script may touch the keys of one slot only.
        timeout: see below.

    Args:
        url: of any kind that `redis_url.SCHEMES` lists.
        breaker: of this duty.
        timeout: seconds for a connection attempt, and for whatever is done within one `asking()`.
        max_connections: connections to one server; who needs more waits.

    Raises:
        SettingsError: the URL is malformed, or has an option that cannot be used.
    """

    def __init__(
        self, url: str, breaker: CircuitBreaker, *, timeout: float = 5.0, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        address = understand(url)
        self.where = address.shown
        self.clustered = address.kind is RedisKind.CLUSTER
        self.timeout = timeout
        self._breaker = breaker
        self._sealed = False
        opening = Opening(address, timeout, max_connections, self._on_connect)
        self._deployment = _KINDS[address.kind](opening)

    @property
    def client(self) -> Redis:
        """The client itself, past breaker and time-out; of a cluster, another one after an outage."""
        return self._deployment.client

    @asynccontextmanager
    async def asking(self, extra_seconds: float = 0.0, *, background: bool = False) -> AsyncIterator[Redis]:
        """The client, behind the breaker and within the time; `extra_seconds` for a command that waits by itself.

        `background` is for what nobody waits for: see `CircuitBreaker.guard`.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        try:
            with self._breaker.guard(*UNAVAILABLE, background=background):
                # One bound over waiting for a connection, connecting, writing and reading. A cancelled command's
                # connection is dropped by redis-py, so no answer goes astray.
                async with asyncio.timeout(self.timeout + extra_seconds), self._deployment.turn():
                    yield self._deployment.client
        except LIBRARY_ERRORS as error:
            if isinstance(error, DEMOTED):
                with suppress(*LIBRARY_ERRORS):
                    await self._deployment.drop()  # all lead to the same server, and its name may mean another by now
            raise broker_error(self.where, error) from error

    async def ping(self) -> None:
        """Return when every server that commands may go to answers.

        Raises:
            BrokerError: see `asking`.
        """
        async with self.asking():
            await self._deployment.ping()

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys, whatever their slots, in one round trip per server.

        Raises:
            BrokerError: see `asking`.
        """
        if not keys:
            return []
        async with self.asking():
            return await self._deployment.get_many(keys)

    async def info(self) -> dict[str, str]:
        """What `INFO server` and `INFO memory` say.

        Raises:
            BrokerError: see `asking`.
        """
        async with self.asking():
            return await self._deployment.info()

    async def on_each(self, *command: str | int) -> dict[str, Any]:
        """The answers of every server that commands may go to, by its name: of one, or of a cluster's masters.

        In the background, since it is for what is shown: one master that is away must not keep the others from being
        asked by somebody who waits.

        Raises:
            BrokerError: see `asking`.
        """
        async with self.asking(background=True):
            return await self._deployment.on_each(*command)

    async def replicas_with(self, replicas: int, seconds: float) -> int:
        """Wait for at most some seconds until so many replicas have what was written here; how many have.

        Of use with `max_connections=1` alone: servers look at what the very connection wrote.

        Raises:
            BrokerError: see `asking`.
        """
        async with self.asking(seconds):
            return await self._deployment.replicas_with(replicas, seconds)

    async def pubsub(self) -> PubSubConnection:
        """A new connection in subscriber mode. Not behind the breaker: a subscriber has its own.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        return await self._deployment.pubsub(self.timeout)

    async def reconnect(self) -> None:
        """Drop every connection, make them anew and seal.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        await self.close()
        async with self.asking():
            await self._deployment.connect()
        self._sealed = True

    async def close(self) -> None:
        """Drop every connection and unseal; the next command connects anew. Never raises."""
        self._sealed = False
        with suppress(*LIBRARY_ERRORS):
            await self._deployment.drop()

    async def _on_connect(self, connection: AbstractConnection) -> None:
        if self._sealed:
            raise RedisConnectionError("the connection was lost")
        await connection.on_connect()
