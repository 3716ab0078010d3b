"""Valkey itself dies or hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.world import open_world


async def test_it_is_killed_and_comes_back_with_its_data(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            world.valkey.kill()
            await asyncio.sleep(1)
            world.valkey.start()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0, "everything is in the append-only file, so nothing need be given up"
    budget.enter("valkey-killed", report)


async def test_it_hangs_for_ten_seconds(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            world.valkey.pause()
            await asyncio.sleep(10)
            world.valkey.resume()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("valkey-paused", report)
