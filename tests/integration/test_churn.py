"""Many connections come and go, and leave nothing behind: no descriptor, no memory, nobody in the index."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import httpx
import pytest

from benches.load.binaries import Binaries
from benches.load.client import LoadClient
from benches.load.tokens import staff_targets
from gateway.broker.redis import MAX_CONNECTIONS
from tests.support.serve import ServeProcess, serve
from tests.support.valkey import ValkeyServer

CROWD = 5_000
ROUNDS = int(os.environ.get("CHURN_CONNECTIONS", "20000")) // CROWD
"""`make churn` makes it 100,000 connections."""

GROWTH_BYTES = 6 * 1024 * 1024
"""Allocators keep some of what they were given. One forgotten object of 345 B a connection would be 6.9 MB after 20,000
of them, so that a leak is seen even in the short form."""


SETTLING = 8
"""Crowds after which memory must have settled, or the test goes on with what there is, and fails."""


def descriptors(gateway: ServeProcess) -> int:
    return sum(1 for _ in Path(f"/proc/{gateway.process.pid}/fd").iterdir())


def memory(gateway: ServeProcess) -> int:
    """Bytes that are this process' own."""
    rollup = Path(f"/proc/{gateway.process.pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))


def connections(gateway: ServeProcess) -> int:
    return int(httpx.get(f"{gateway.http}/ws/health/detailed").json()["connections"])


def come_and_go(gateway: ServeProcess, binaries: Binaries, targets: list[str]) -> None:
    """A crowd from several addresses of this machine: all are welcomed, then all are cut off at once."""
    crowd = LoadClient(binaries, gateway.port, targets, CROWD, size=256)
    try:
        crowd.joined()
        assert connections(gateway) == CROWD
    finally:
        crowd.stop()
    deadline = time.monotonic() + 30
    while connections(gateway):
        assert time.monotonic() < deadline, "somebody who was cut off is still a member"
        time.sleep(0.05)


@pytest.mark.timeout(900)
async def test_who_came_and_went_leaves_nothing_behind(tmp_path: Path, valkey: ValkeyServer) -> None:
    binaries = await asyncio.to_thread(Binaries.build, release=False)
    targets = staff_targets("/ws/waiter", CROWD)
    with serve(tmp_path, "--redis-url", valkey.url) as gateway:
        # The first crowds fill what is kept on purpose: verified tokens, tables as large as a crowd, allocators' pools.
        # On a busy machine a crowd piles up higher than the last one, so it may take some more; a leak never settles.
        for _ in range(SETTLING):
            used = memory(gateway)
            await asyncio.to_thread(come_and_go, gateway, binaries, targets)
            if memory(gateway) - used < GROWTH_BYTES / 8:
                break
        before = descriptors(gateway), memory(gateway)
        for _ in range(ROUNDS):
            await asyncio.to_thread(come_and_go, gateway, binaries, targets)
        after = descriptors(gateway), memory(gateway)
        growth = after[1] - before[1]
        # The pool of Redis connections grows when it has to, up to its limit; a leak would be one for every client.
        assert after[0] - before[0] <= MAX_CONNECTIONS
        assert growth < GROWTH_BYTES, f"{growth / ROUNDS / CROWD:.0f} B a connection"
        assert "Traceback" not in gateway.log_text()
        print(f"{ROUNDS * CROWD} connections: {growth / 1024:+.0f} KiB")  # noqa: T201 - what `make churn` is asked for
