"""Clients go, and come back with their positions."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.ingest.room_ring import RING_EVENTS
from tests.faults.budget import Budget
from tests.faults.recorder import ClientLog, Heard
from tests.faults.scale import FULL
from tests.faults.seat import BRANCHES
from tests.faults.world import World, open_world

AWAY_SECONDS = 10.0 if FULL else 2.0


@asynccontextmanager
async def away(world: World) -> AsyncIterator[None]:
    """Half of the clients of each node leave without a word, and return at the end of the block."""
    leaving = world.guests[::2]
    for guest in leaving:
        await guest.leave()
    yield
    for guest in leaving:
        guest.come_back()


async def outrun_rings(world: World) -> None:
    """More events in each room than a node remembers by itself, so that only history can tell what came."""
    await asyncio.gather(*(world.producers.flood(branch, RING_EVENTS + 50) for branch in BRANCHES))
    await asyncio.sleep(1)


async def test_they_are_away_for_seconds(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            async with away(world):
                await asyncio.sleep(AWAY_SECONDS)

        await world.survive(fault)
        report = await world.report()
    assert (report.announced, report.gaps) == (0, 0), "history reaches back, so all of it is handed over"
    budget.enter("clients-away", report)


async def test_they_are_away_for_longer_than_history_reaches(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path, GATEWAY_HISTORY_EVENTS="100") as world:

        async def fault() -> None:
            async with away(world):
                await outrun_rings(world)

        await world.survive(fault)
        report = await world.report()
    assert report.announced, "history does not reach back, so something is lost, and announced"
    budget.enter("clients-away-too-long", report)


async def test_they_come_to_a_node_that_is_behind(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        behind, ahead = world.nodes["a"], world.nodes["b"]

        async def fault() -> None:
            world.links[behind.name].lag = 2.0  # far beyond what a client needs to get there
            await asyncio.sleep(2.5)
            await ahead.counters()
            await ahead.kill()
            await asyncio.sleep(2.5)
            ahead.launch()
            await ahead.serves()

        await world.survive(fault, rounds=1)
        await world.report()  # it holds each connection, and each node, to giving nothing twice
        moved = [guest.log for guest in world.guests if guest.log.connections[0].node == ahead.name]
    assert all(heard_again(log) for log in moved), "each hears anew what the new node has later: the documents say so"


def heard_again(log: ClientLog) -> set[int]:
    """Best-effort events that came on several connections."""
    times = Counter(item.number for item in log.items() if isinstance(item, Heard) and item.event_id is None)
    return {number for number, count in times.items() if count > 1}


async def test_history_expires_while_they_are_away(tmp_path: Path, budget: Budget) -> None:
    async with open_world(tmp_path) as world:

        async def fault() -> None:
            async with away(world):
                await outrun_rings(world)
                await world.expire_histories()

        await world.survive(fault)
        report = await world.report()
    assert report.announced, "what was only in the histories is lost, and announced"
    budget.enter("history-expired-clients-away", report)
