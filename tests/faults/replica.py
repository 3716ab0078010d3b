"""A replica that can be kept from hearing the last writes, and promoted."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.faults.proxy import Proxy, proxy_to
from tests.support.valkey import ValkeyServer

SYNC_SECONDS = 30.0


class Replica:
    """A second server, which follows the first through a link of its own.

    Attributes:
        server: it; the password is that of the first, so that one URL is right for both.
        link: from it to the first; when that is half-open, writes go on and it does not get them.
    """

    def __init__(self, server: ValkeyServer, link: Proxy) -> None:
        self.server = server
        self.link = link

    async def in_step(self) -> None:
        """Return when it has all that the first has had until now."""
        async with Redis.from_url(self.server.url) as redis, asyncio.timeout(SYNC_SECONDS):
            while True:
                state: dict[str, Any] = await redis.info("replication")
                if state["master_link_status"] == "up" and not state["master_sync_in_progress"]:
                    return
                await asyncio.sleep(0.02)

    async def promote(self) -> None:
        """Make it a first of its own."""
        async with Redis.from_url(self.server.url) as redis:
            await redis.replicaof("NO", "ONE")


@asynccontextmanager
async def replica_of(first: ValkeyServer, config: dict[str, str]) -> AsyncIterator[Replica]:
    """Start a replica and wait until it is in step."""
    with tempfile.TemporaryDirectory(prefix="replica-") as directory:
        async with proxy_to(first.port) as link:
            following = {"replicaof": f"127.0.0.1 {link.port}", "masterauth": first.password}
            server = ValkeyServer(Path(directory), {**config, **following})
            server.password = first.password
            server.start()
            try:
                replica = Replica(server, link)
                await replica.in_step()
                yield replica
            finally:
                server.stop()
