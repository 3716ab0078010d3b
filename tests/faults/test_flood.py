"""More than any queue holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.scale import FULL
from tests.faults.world import open_world

CRITICAL = 8_000 if FULL else 1_500
BEST_EFFORT = 20_000 if FULL else 4_000
LONG = 300
"""Events of 60 KB: several times what the kernel's buffers and an outbox together hold."""
QUEUE = "100"
"""Of the node, so that a flood is past it however fast the machine is."""


async def test_everything_at_once(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path, GATEWAY_BROADCAST_QUEUE=QUEUE) as world:
        slow = [guest for guest in world.guests if guest.log.seat.endpoint == "admin"]

        async def fault() -> None:
            for guest in slow:
                guest.stop_reading()
            await asyncio.gather(
                world.producers.flood(5, CRITICAL),
                world.producers.flood(6, CRITICAL),
                world.producers.flood(5, BEST_EFFORT, channel="branch:5:admin"),
            )
            for _ in range(LONG // 10):
                await world.producers.flood(6, 10, channel="branch:6:admin", padding=60_000)
            await asyncio.sleep(1)
            for guest in slow:
                guest.read_on()

        await world.survive(fault, rounds=1)
        report = await world.report()
        counted = await world.counters()
    assert sum(one.dropped for one in counted.values()), "the node's queue was not full, so nothing was tested"
    assert sum(one.outbox_dropped for one in counted.values()), "no outbox was full, so nothing was tested"
    budget.enter("flooded", report)
