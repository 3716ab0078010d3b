"""`gateway serve --workers`: whichever worker is scraped, all of them are seen."""

from __future__ import annotations

import json
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

from redis.asyncio import Redis

from tests.support.clients import welcomed
from tests.support.serve import serve
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer
from tests.support.workers import both_up, scrape

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
CLIENTS = 12


async def test_two_workers_are_one_scrape(tmp_path: Path, own_valkey: ValkeyServer) -> None:
    with serve(tmp_path, "--workers", "2", "--redis-url", own_valkey.url, GATEWAY_JOIN_RATE="0") as gateway:
        await both_up(gateway)  # `serve` waits for whichever is ready first
        async with AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(
                    welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", user=f"cook-{n}"))
                )
                for n in range(CLIENTS)
            ]
            async with Redis.from_url(own_valkey.url) as redis:
                await redis.publish("branch:5:kitchen", json.dumps(READY))
            for peer in peers:
                assert await peer.json() == READY
            for _ in range(6):
                seen = await scrape(gateway)
                assert seen["gateway_worker_up"] == {"0": 1, "1": 1}
                assert sum(seen["gateway_connections"].values()) == CLIENTS
                assert sum(seen["gateway_core_connections"].values()) == CLIENTS
                assert sum(seen["gateway_deliveries_total"].values()) == CLIENTS
                assert sum(seen["gateway_handshakes_total"].values()) == CLIENTS
                assert sum(seen["gateway_relay_active"].values()) <= 1
                assert seen["process_open_fds"].keys() == {"0", "1"}
            serving = workers_of(gateway.process.pid)
            assert len(serving) == 2
            os.kill(serving[0], signal.SIGKILL)
            await both_up(gateway)  # uvicorn starts another one, which goes on with the series


def workers_of(parent: int) -> list[int]:
    """The worker processes, without what Python keeps beside them."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
