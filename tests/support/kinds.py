"""Every way to reach a real server, for tests that ask the same of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis, RedisCluster

from tests.support.cluster import ValkeyCluster, announced, run_cluster
from tests.support.sentinel import WatchedMaster
from tests.support.tls import run_tls_proxies
from tests.support.valkey import ValkeyServer

KINDS = ("tcp", "unix", "tls", "sentinel", "sentinel by tls", "cluster", "cluster by tls")


@dataclass(frozen=True)
class Place:
    """A Redis of some kind.

    Attributes:
        kind: one of `KINDS`.
        url: as the gateway is given it.
        servers: the data servers: one, or the masters of a cluster.
        authority: the certificates to trust, where clients of the cluster are sent to proxies.
    """

    kind: str
    url: str
    servers: tuple[ValkeyServer, ...]
    authority: str = ""

    @property
    def clustered(self) -> bool:
        return len(self.servers) > 1

    @asynccontextmanager
    async def plain(self) -> AsyncIterator[Any]:
        """A client of the ordinary library, to look at the servers from the side."""
        client: Any
        first = self.servers[0]
        if self.authority:
            options: Any = {"port": announced(first), "ssl": True, "ssl_ca_certs": self.authority}
            client = RedisCluster("127.0.0.1", password=first.password, **options)
        elif self.clustered:
            client = RedisCluster("127.0.0.1", first.port, password=first.password)
        else:
            client = Redis.from_url(first.url)
        try:
            yield client
        finally:
            await client.aclose()


@contextmanager
def open_place(kind: str, valkey: ValkeyServer, watched: WatchedMaster, cluster: ValkeyCluster) -> Iterator[Place]:
    """One of the shared servers, and for TLS proxies in front of it."""
    match kind:
        case "tcp":
            yield Place(kind, valkey.url, (valkey,))
        case "unix":
            yield Place(kind, valkey.unix_url, (valkey,))
        case "tls":
            with run_tls_proxies() as proxies:
                port = proxies.open(valkey.port)
                authority = proxies.authority.file
                url = f"rediss://:{valkey.password}@127.0.0.1:{port}/0?ssl_ca_certs={authority}"
                yield Place(kind, url, (valkey,))
                assert proxies.handshakes
        case "sentinel":
            yield Place(kind, watched.url, (watched.first,))
        case "sentinel by tls":
            with run_tls_proxies() as proxies:
                # Whoever asks the Sentinel by TLS is told of the proxy in front of the master.
                proxies.rename(watched.first.port, proxies.open(watched.first.port))
                url = watched.url_by_tls(proxies.open(watched.sentinel_port), str(proxies.authority.file))
                yield Place(kind, url, (watched.first,))
        case "cluster":
            yield Place(kind, cluster.url, tuple(cluster.masters))
        case "cluster by tls":
            # A cluster of its own: its nodes name proxies to every client.
            with run_tls_proxies() as proxies, run_cluster(tls=proxies) as own:
                yield Place(kind, own.url, tuple(own.masters), str(proxies.authority.file))
        case _:
            raise AssertionError(kind)
