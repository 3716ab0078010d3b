"""Clients go, and come back with their positions."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.scale import FULL
from tests.faults.world import World, open_world

AWAY_SECONDS = 10.0 if FULL else 2.0


async def send_away(world: World, seconds: float) -> None:
    """Half of the clients of each node leave without a word, and return."""
    away = world.guests[::2]
    for guest in away:
        await guest.leave()
    await asyncio.sleep(seconds)
    for guest in away:
        guest.come_back()


async def test_they_are_away_for_seconds(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:
        await world.survive(lambda: send_away(world, AWAY_SECONDS))
        report = await world.report()
    assert (report.announced, report.gaps) == (0, 0), "history reaches back, so all of it is handed over"
    budget.enter("clients-away", report)


async def test_they_are_away_for_longer_than_history_reaches(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path, GATEWAY_HISTORY_EVENTS="20") as world:
        await world.survive(lambda: send_away(world, AWAY_SECONDS))
        report = await world.report()
    assert report.announced, "history does not reach back, so something is lost, and announced"
    budget.enter("clients-away-too-long", report)
