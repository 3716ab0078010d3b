"""All of it at random."""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.scale import FULL
from tests.faults.storm import Storm
from tests.faults.world import open_world

SECONDS = 60.0 if FULL else 12.0


async def test_a_storm_passes(tmp_path: Path, budget: Budget) -> None:
    seed = int(os.environ.get("FAULTS_SEED") or random.randrange(1_000_000))
    print(f"FAULTS_SEED={seed} draws the same faults")  # noqa: T201 - pytest shows it when the test fails
    async with open_world(tmp_path) as world:
        storm = Storm(world, seed)
        await world.survive(lambda: storm.rage(SECONDS))
        report = await world.report()
    assert report.announced == 0, "nothing was lost for good, so nothing need be given up"
    budget.enter("storm", report)
