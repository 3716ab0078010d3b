"""A Redis or Valkey cluster: each command goes to the master that owns its keys' slot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, SlotNotCoveredError

from gateway.broker.base import PubSubConnection
from gateway.broker.cluster_pubsub import ClusterPubSubConnection, Server
from gateway.broker.deployment import Opening, connection_options, info_of, unusable
from gateway.broker.failures import LIBRARY_ERRORS, broker_error
from gateway.broker.redis_pubsub import RedisPubSubConnection

SPARE: Final = 2
"""Connections to a node beyond those that commands take their turns on."""

_NO_OPTIONS: Final = ("host", "port", "retry_on_timeout")
"""Options of a single connection that redis-py's cluster client has no use for."""


class ClusterServers:
    """Keeps `deployment.Deployment` and `cluster_pubsub.ClusterMap`.

    redis-py keeps the map of slots, follows MOVED and ASK, and reads the map anew when a node cannot be reached.

    Raises:
        SettingsError: the URL has an option that the client library does not know or cannot use.
    """

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._where = opening.address.shown
        try:
            self._cluster = self._open()
            # Connects nothing, but looks at every option.
            node = next(iter(self._cluster.nodes_manager.startup_nodes.values()))
            node.connection_class(**node.connection_kwargs)
        except (TypeError, ValueError, RedisClusterException) as error:
            raise unusable(opening.address, error) from None
        # redis-py's cluster client does not wait for a connection to be free, and calls it an error.
        self._turns = asyncio.Semaphore(opening.max_connections)

    # --- Deployment ---------------------------------------------------------------------------------------------

    @property
    def client(self) -> Redis:
        """See `Deployment.client`."""
        return cast("Redis", self._cluster)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """See `Deployment.turn`."""
        async with self._turns:
            try:
                # Before anything else, and by one task: a command that meets a client in the middle of this fails.
                await self._cluster.initialize()
                yield
            except RedisClusterException as error:
                if not isinstance(error, SlotNotCoveredError):
                    await self._begin_again()
                raise

    async def connect(self) -> None:
        """See `Deployment.connect`."""
        await self.ping()

    async def drop(self) -> None:
        """See `Deployment.drop`."""
        await _drop(self._cluster)

    async def ping(self) -> None:
        """See `Deployment.ping`."""
        await self._cluster.ping(target_nodes=RedisCluster.PRIMARIES)

    async def pubsub(self, timeout: float) -> PubSubConnection:
        """See `Deployment.pubsub`."""
        return await ClusterPubSubConnection.connect(self, self._where, timeout)

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Deployment.get_many`: one MGET per slot, in one pipeline per node."""
        return cast("list[bytes | None]", await self._cluster.mget_nonatomic(keys))

    async def info(self) -> dict[str, str]:
        """See `Deployment.info`: of any node, but with the eviction policy of one that evicts, if there is one."""
        found: dict[str, str] = {}
        for node in self._cluster.get_primaries():
            answer = await info_of(self.client, target_nodes=node)
            if not found or answer.get("maxmemory_policy", "noeviction") != "noeviction":
                found = answer
        return found

    async def on_each(self, *command: str | int) -> dict[str, Any]:
        """See `Deployment.on_each`: of the masters, one after the other."""
        call: Any = self._cluster
        return {
            node.name: await call.execute_command(*command, target_nodes=node) for node in self._cluster.get_primaries()
        }

    async def replicas_with(self, replicas: int, seconds: float) -> int:
        """See `Deployment.replicas_with`: the fewest of any master."""
        call: Any = self._cluster
        answer = await call.execute_command(
            "WAIT", replicas, round(seconds * 1_000), target_nodes=RedisCluster.PRIMARIES
        )
        return min(map(int, answer.values())) if isinstance(answer, dict) else int(answer)

    # --- ClusterMap ---------------------------------------------------------------------------------------------

    def owner(self, slot: int) -> Server | None:
        """See `ClusterMap.owner`."""
        try:
            node = self._cluster.nodes_manager.get_node_from_slot(slot)
        except LIBRARY_ERRORS:
            return None
        return _server(node)

    def masters(self) -> list[Server]:
        """See `ClusterMap.masters`."""
        found = [_server(node) for node in self._cluster.get_primaries()]
        # Many gateways must not all choose the first.
        random.shuffle(found)
        return found

    async def refresh(self) -> None:
        """See `ClusterMap.refresh`."""
        try:
            async with asyncio.timeout(self._opening.timeout):
                await self._cluster.initialize()
                await self._cluster.nodes_manager.initialize()
        except LIBRARY_ERRORS as error:
            await self._begin_again()
            raise broker_error(self._where, error) from error

    async def open(self, server: Server, timeout: float) -> RedisPubSubConnection:
        """See `ClusterMap.open`."""
        options = {**self._cluster.connection_kwargs, "host": server[0], "port": server[1]}
        options["retry"] = Retry(NoBackoff(), 0)
        for name in ("max_connections", "response_callbacks"):
            options.pop(name, None)
        kind = options.pop("connection_class")
        return await RedisPubSubConnection.connect(kind, options, self._where, timeout)

    # --- inside -------------------------------------------------------------------------------------------------

    def _open(self) -> RedisCluster:
        options = connection_options(self._opening)
        if options.pop("connection_class", None) is SSLConnection:
            options["ssl"] = True
        for name in _NO_OPTIONS:
            options.pop(name, None)
        cluster = RedisCluster(
            startup_nodes=[ClusterNode(host, port) for host, port in self._opening.address.hosts],
            **{
                # More than turns: one that is marked to be made anew is closed in the background.
                "max_connections": self._opening.max_connections + SPARE,
                **options,
                # The server says whether a cluster with a hole still serves the rest.
                "require_full_coverage": False,
            },
        )
        # No argument of the constructor, which keeps it to itself; the nodes that it finds get what stands here.
        cluster.connection_kwargs["redis_connect_func"] = self._opening.on_connect
        return cluster

    async def _begin_again(self) -> None:
        """Ask the URL's nodes again: those that took their place may all be gone by now, as after a move."""
        old, self._cluster = self._cluster, self._open()
        await _drop(old)


async def _drop(cluster: RedisCluster) -> None:
    with suppress(*LIBRARY_ERRORS):
        await cluster.aclose()
    # It does nothing after a failure, when the client is about to read the map anew and still has connections.
    for nodes in ("nodes_cache", "startup_nodes"):
        with suppress(*LIBRARY_ERRORS):
            await cluster.nodes_manager.aclose(nodes)


def _server(node: ClusterNode) -> Server:
    return node.host, int(node.port)
