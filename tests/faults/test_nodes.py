"""A node dies with everything that it holds; its clients go to the other."""

from __future__ import annotations

from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.scale import FULL, SCALE
from tests.faults.stopper import Stopper, points
from tests.faults.stopping_relay import MODULE
from tests.faults.world import open_world

SOME_POINTS = ("after take_lease", "after read", "after write_rooms")


async def test_it_is_killed(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:
        killed = world.nodes["b"]

        async def fault() -> None:
            nonlocal killed
            if not killed.alive:
                killed.launch()
                await killed.ready()
            killed = world.other(killed)
            await killed.kill()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("node-killed", report)


async def test_it_dies_with_the_relay_at_every_step(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path, module=MODULE, GATEWAY_RELAY_LEASE=str(SCALE.stops_lease)) as world:
        world.letters_may_repeat = True
        stopper = Stopper(world, "die")
        for point in points() if FULL else SOME_POINTS:
            await stopper.stop_at(point)
        report = await world.report()
    assert report.announced == 0
    budget.enter("relay-killed", report)
