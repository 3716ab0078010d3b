"""A master that Sentinels watch, and replace when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from weakref import WeakSet

from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.connection import SSLConnection
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)

from gateway.broker.base import PubSubConnection
from gateway.broker.deployment import Opening
from gateway.broker.failures import LIBRARY_ERRORS
from gateway.broker.redis_pubsub import RedisPubSubConnection
from gateway.broker.redis_single import SingleServer

WATCH_SECONDS: Final = 1.0
"""Between two looks at who is the master."""

_TLS: Final = "ssl_"
"""How redis-py's options of TLS begin."""

_log = logging.getLogger("gateway.broker")


class _Sentinels(Sentinel):
    """Asked by one at a time: redis-py moves the one that answers to the front of a list that others may be reading."""

    def __init__(self, hosts: Sequence[tuple[str, int]], options: dict[str, Any]) -> None:
        super().__init__(hosts, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self._asking = asyncio.Lock()

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """See redis-py."""
        async with self._asking:
            host, port = await super().discover_master(service_name)
            return host, port


class _Pool(SentinelConnectionPool, BlockingConnectionPool):
    """Asks the Sentinels for every new connection, and lets who needs one too many wait."""


class SentinelMaster(SingleServer):
    """Keeps `deployment.Deployment`: to its users the master is one server, which may move.

    redis-py asks the Sentinels for each new connection, and drops one on which a write is answered with READONLY. But
    a master that was replaced in good order is made a replica, and its clients cut, some ten seconds later only, and
    one that is cut off from its Sentinels perhaps never; whoever only listens would hear nothing until then. So while
    there are connections, the Sentinels are asked every second, and when they name another master, all connections to
    the old one are cut.
    """

    _pool: _Pool

    def __init__(self, opening: Opening) -> None:
        super().__init__(opening)
        self._timeout = opening.timeout
        self._subscribers: WeakSet[RedisPubSubConnection] = WeakSet()
        self._watching: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `Deployment.turn`."""
        self._watch()
        yield

    async def pubsub(self, timeout: float) -> PubSubConnection:
        """See `Deployment.pubsub`."""
        self._watch()
        connection = await RedisPubSubConnection.connect(
            self._pool.connection_class, self._pool.connection_kwargs, self._where, timeout
        )
        self._subscribers.add(connection)
        return connection

    async def drop(self) -> None:
        """See `Deployment.drop`."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
        await super().drop()
        sentinels = cast("Sentinel", self._pool.sentinel_manager).sentinels
        await asyncio.gather(*(sentinel.aclose() for sentinel in sentinels))

    def _watch(self) -> None:
        if self._watching is None:
            self._watching = asyncio.create_task(self._keep_watching(), name="sentinel-watch")

    async def _keep_watching(self) -> None:
        pool: Any = self._pool  # the stubs know no types of its methods
        followed = pool.master_address
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            followed = followed or pool.master_address
            try:
                async with asyncio.timeout(self._timeout):
                    master = await pool.get_master_address()
                if followed not in (None, master):
                    _log.warning("the Sentinels name another master; connections to the old one are cut")
                    # Those in use too: what waits for an answer of the old master would wait in vain.
                    await pool.disconnect()
            except LIBRARY_ERRORS as error:
                # Nothing is cut for it: without Sentinels the master is still the master.
                _log.debug("the Sentinels cannot be asked: %s", error)
                continue
            followed = master
            for connection in list(self._subscribers):
                if connection.server != tuple(master):
                    connection.abandon("another server is the master by now")

    @staticmethod
    def _open(opening: Opening, options: dict[str, Any]) -> ConnectionPool:
        address = opening.address
        tls = options.pop("connection_class", None) is SSLConnection
        for name in ("host", "port"):
            options.pop(name, None)
        # A Sentinel that hangs must leave time for the others, and for the master.
        share = opening.timeout / (len(address.hosts) + 1)
        sentinel_options = {
            "socket_connect_timeout": share,
            "socket_timeout": share,
            "retry": options["retry"],
            "protocol": 2,
            "username": address.sentinel_username,
            "password": address.sentinel_password,
            "ssl": tls,
            **{name: value for name, value in options.items() if name.startswith(_TLS)},
        }
        options = {
            "max_connections": opening.max_connections,
            "timeout": opening.timeout,
            **options,
            "redis_connect_func": opening.on_connect,
            "connection_class": SentinelManagedSSLConnection if tls else SentinelManagedConnection,
        }
        pool: Any = _Pool  # the stubs know no types of it
        return cast("ConnectionPool", pool(address.service, _Sentinels(address.hosts, sentinel_options), **options))
