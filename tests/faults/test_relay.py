"""The active relay stops, dies, sleeps, or is given what it cannot digest."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.faults.budget import Budget
from tests.faults.scale import SCALE
from tests.faults.stopper import Stopper, points
from tests.faults.stopping_relay import MODULE, POISON
from tests.faults.world import open_world


async def test_it_stops_for_good_at_every_step(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path, module=MODULE, GATEWAY_RELAY_LEASE=str(SCALE.stops_lease)) as world:
        # One that dies between writing a letter and acknowledging its entry writes the letter twice.
        world.letters_may_repeat = True
        stopper = Stopper(world, "hang")
        for point in points():
            await stopper.stop_at(point)
        report = await world.report()
    assert report.announced == 0
    budget.enter("relay-stopped", report)


async def test_it_sleeps_for_longer_than_its_lease(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            relay = await world.relay()
            relay.pause()
            await asyncio.sleep(2 * SCALE.lease)
            relay.go_on()

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("relay-paused", report)


async def test_poison_among_good_entries(tmp_path: Path, budget: Budget) -> None:
    bad = [
        {"event": "{"},
        {"something": "else"},
        {"event": '{"type":"NO_SUCH","tenant_id":1,"branch_id":5}'},
        {"event": '{"type":"CHECK_PAID","tenant_id":1,"branch_id":0}'},
        {"event": "x" * 70_000},
        {"event": f'{{"type":"CHECK_PAID","tenant_id":1,"branch_id":5,"why":"{POISON}"}}'},
    ]
    async with open_world(tmp_path, module=MODULE) as world:
        world.quiet = False  # an entry that brings the relay down is logged as such

        async def fault() -> None:
            for fields in bad:
                await world.add_bad_entry(fields)
                await asyncio.sleep(0.1)

        await world.survive(fault)
        report = await world.report()
    assert report.announced == 0
    budget.enter("relay-poisoned", report)
