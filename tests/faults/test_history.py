"""What is needed to repair is no longer there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.protocol.keys import history_key
from gateway.types import Room
from tests.faults.budget import Budget
from tests.faults.seat import TENANT
from tests.faults.world import World, open_world


async def expire_histories(world: World) -> None:
    """As if their time to live were over."""
    async with world.redis() as redis:
        for branch in (5, 6):
            await redis.pexpire(history_key(Room(TENANT, branch)), 1)


async def test_it_expires_while_a_node_is_cut_off(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            # Not the relay's: while nobody relays, nothing comes that could be lost.
            link = world.links[world.other(await world.relay()).name]
            link.cut()
            await asyncio.sleep(1)
            await expire_histories(world)
            await asyncio.sleep(1)
            link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.announced, "what was only in the histories is lost, and announced"
    budget.enter("history-expired", report)


async def test_it_expires_while_clients_are_away(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            away = world.guests[::2]
            for guest in away:
                await guest.leave()
            await asyncio.sleep(1)
            await expire_histories(world)
            for guest in away:
                guest.come_back()

        await world.survive(fault)
        report = await world.report()
    assert report.announced, "what was only in the histories is lost, and announced"
    budget.enter("history-expired-clients-away", report)
