"""The link between nodes and Valkey."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.world import open_world


async def test_it_is_cut(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            for link in world.links.values():
                link.cut()
            await asyncio.sleep(2)
            for link in world.links.values():
                link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("link-cut", report)


async def test_it_is_cut_for_one_node(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            link = world.links[(await world.relay()).name]
            link.cut()
            await asyncio.sleep(2)
            link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("link-cut-one-node", report)


async def test_it_is_slow(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            for link in world.links.values():
                link.delay = 0.25
            await asyncio.sleep(4)
            for link in world.links.values():
                link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.delivered == report.due
    assert report.best_effort_delivered == report.best_effort_due, "a slow link loses nothing"
    budget.enter("link-delayed", report)


async def test_it_stalls(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            for link in world.links.values():
                link.stall()
            await asyncio.sleep(4)
            for link in world.links.values():
                link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("link-stalled", report)


async def test_its_connections_die_without_a_word(tmp_path: Path, budget: Budget) -> None:
    # It takes up to half a minute to find out, over which the history of 1,000 has to reach.
    async with open_world(tmp_path, every=0.1) as world:

        async def fault() -> None:
            world.links[(await world.relay()).name].half_open()

        await world.survive(fault, rounds=1)
        report = await world.report()
    assert report.announced == 0
    budget.enter("link-half-open", report)


async def test_histories_expire_while_it_is_cut(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            # Not the relay's: while nobody relays, nothing comes that could be lost.
            link = world.links[world.other(await world.relay()).name]
            link.cut()
            await asyncio.sleep(1)
            await world.expire_histories()
            await asyncio.sleep(1)
            link.mend()

        await world.survive(fault)
        report = await world.report()
    assert report.announced, "what was only in the histories is lost, and announced"
    budget.enter("history-expired", report)
