"""Clients of redis-py for every kind of URL that the gateway itself understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from redis import Redis, RedisCluster
from redis import asyncio as redis_asyncio
from redis.asyncio import cluster as asyncio_cluster
from redis.asyncio import connection as asyncio_connection
from redis.asyncio import sentinel as asyncio_sentinel
from redis.asyncio.retry import Retry as AsyncioRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.connection import SSLConnection, parse_url
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel

from gateway.redis_url import RedisKind, RedisUrl, parse_redis_url

BlockingClient = Redis | RedisCluster
AsyncioClient = redis_asyncio.Redis | asyncio_cluster.RedisCluster

_OF_SENTINELS: Final = ("socket_", "ssl_", "retry", "protocol")
"""How options begin that hold for the connections to Sentinels too."""


def blocking_client(url: str, options: Mapping[str, Any]) -> tuple[BlockingClient, list[Redis]]:
    """A client for a URL, and those of its Sentinels, which are to be closed with it.

    Nothing is connected, but for a cluster, which redis-py asks for its nodes at once.

    Args:
        url: of a kind that `redis_url.SCHEMES` lists.
        options: of redis-py; those of the URL win over them.

    Raises:
        ValueError: the URL is malformed, or the client does not know one of its options.
        redis.RedisError: a node of a cluster refuses.
        redis.exceptions.RedisClusterException: no node of a cluster can be reached.
    """
    address = parse_redis_url(url)
    options = {"retry": Retry(NoBackoff(), 0), **options}
    try:
        if address.kind is RedisKind.SINGLE:
            client = Redis.from_url(address.plain, **options)
            _look_at_options(client)
            return client, []
        parse: Any = parse_url  # the stubs know no types of it, nor of the next one
        options = _for_many({**options, **parse(address.plain)}, SSLConnection)
        if address.kind is RedisKind.CLUSTER:
            node: Any = ClusterNode
            return RedisCluster(startup_nodes=[node(*host) for host in address.hosts], **options), []
        return _of_sentinels(Sentinel, address, options)
    except (TypeError, ValueError) as error:
        raise _unusable(error) from None


def asyncio_client(url: str, options: Mapping[str, Any]) -> tuple[AsyncioClient, list[redis_asyncio.Redis]]:
    """The same for asyncio; nothing is connected, whatever the URL.

    Raises:
        ValueError: see `blocking_client`.
    """
    address = parse_redis_url(url)
    options = {"retry": AsyncioRetry(NoBackoff(), 0), **options}
    try:
        if address.kind is RedisKind.SINGLE:
            client = redis_asyncio.Redis.from_url(address.plain, **options)
            _look_at_options(client)
            return client, []
        options = _for_many(
            {**options, **asyncio_connection.parse_url(address.plain)}, asyncio_connection.SSLConnection
        )
        if address.kind is RedisKind.CLUSTER:
            nodes = [asyncio_cluster.ClusterNode(*host) for host in address.hosts]
            return asyncio_cluster.RedisCluster(startup_nodes=nodes, **options), []
        return _of_sentinels(asyncio_sentinel.Sentinel, address, options)
    except (TypeError, ValueError, RedisClusterException) as error:
        raise _unusable(error) from None


def _of_sentinels(kind: Any, address: RedisUrl, options: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    sentinel = kind(address.hosts, sentinel_kwargs=_sentinel_options(address, options))
    client = sentinel.master_for(address.service, **options)
    _look_at_options(client)
    return client, sentinel.sentinels


def _look_at_options(client: Any) -> None:
    """Make a connection that is never connected: the library itself would do so at the first command only."""
    client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)


def _for_many(options: Mapping[str, Any], connection_class: type) -> dict[str, Any]:
    """Options without a single server's address, and with `ssl` where the URL asks for it."""
    kept = {name: value for name, value in options.items() if name not in ("host", "port", "connection_class")}
    return {**kept, "ssl": True} if options.get("connection_class") is connection_class else kept


def _sentinel_options(address: RedisUrl, options: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if name.startswith(_OF_SENTINELS)}
    return {
        **kept,
        "ssl": options.get("ssl", False),
        "username": address.sentinel_username,
        "password": address.sentinel_password,
    }


def _unusable(error: Exception) -> ValueError:
    return ValueError(f"the Redis URL or the options have a part that cannot be used: {error}")
