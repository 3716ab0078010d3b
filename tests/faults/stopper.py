"""Stops the relays of a world at their steps, and sees to it that they come by."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from gateway.protocol.keys import FENCE
from tests.faults.catalogue import STEPS
from tests.faults.node import Node
from tests.faults.stopping_relay import StopSwitch
from tests.faults.world import World

BEGINNING: Final = frozenset(
    {"take_lease", "ensure_group", "list_pending", "read_recent", "claim", "raise_fence", "acknowledge", "trim"}
)
"""Steps that only a relay that has just taken over comes to, or comes to soon; the others are those of its loop."""

INTERRUPTED: Final = "after write_rooms"
"""Where its predecessor is stopped: with entries that were read, written and not acknowledged."""


def points() -> Iterator[str]:
    """Where a relay can be stopped."""
    for step in STEPS:
        yield f"before {step}"
        yield f"after {step}"


class Stopper:
    """Does one stop after the other to a world whose nodes run `stopping_relay`.

    Args:
        world: whose relays.
        how: `hang` or `die`; see `StopSwitch.arm`.
    """

    def __init__(self, world: World, how: str) -> None:
        self._world = world
        self._how = how

    async def stop_at(self, point: str) -> None:
        """Stop the active relay at a point, wait until the other has taken over, and bring the stopped one back."""
        world = self._world
        active = await world.relay()
        successor = world.other(active)
        if point.split()[1] in BEGINNING:
            if point.endswith("raise_fence"):
                async with world.redis() as redis:
                    # As a failover may lose it: the successor's number will be lower than what rooms have seen.
                    await redis.delete(FENCE)
            StopSwitch(successor.folder).arm(point, self._how)
            StopSwitch(active.folder).arm(INTERRUPTED)
            await StopSwitch(active.folder).reached()
            await StopSwitch(successor.folder).reached()
            StopSwitch(active.folder).give_birth()
            active, successor = successor, active
        else:
            StopSwitch(active.folder).arm(point, self._how)
            if point.endswith("bury"):
                await world.add_bad_entry({"event": "{"})
            await StopSwitch(active.folder).reached()
        await self._world.recovered(asyncio.get_running_loop().time())
        await self._bring_back(active, successor)

    async def _bring_back(self, stopped: Node, successor: Node) -> None:
        """Only once the other is at work: a relay that has just begun would be the first to take the lease."""
        async with asyncio.timeout(60):
            while not await successor.is_relay():
                await asyncio.sleep(0.05)
        if self._how == "hang":
            StopSwitch(stopped.folder).give_birth()
        else:
            await stopped.buried()
            stopped.launch()
            await stopped.ready()
