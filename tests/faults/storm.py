"""Faults at random, several at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.faults.guest import Guest
from tests.faults.node import Node
from tests.faults.world import World

AT_ONCE = 2
PAUSE_SECONDS = (0.0, 0.5)
FAULT_SECONDS = (0.1, 2.5)


class Storm:
    """Draws a fault, lets it last for a moment, mends it, and draws the next, on several fronts at a time.

    The same seed draws the same faults for each front; how they meet is the machine's doing.

    Args:
        world: which is whole again when the storm is over.
        seed: say it when a test fails.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        # One fault at a time for each server and link: what is dead cannot be paused.
        self._locks = {name: asyncio.Lock() for name in ("valkey", "node a", "node b", "link a", "link b", "guests")}

    async def rage(self, seconds: float) -> None:
        """Return when it is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        await asyncio.gather(*(self._front(random.Random(self._seed + number), end) for number in range(AT_ONCE)))

    async def _front(self, draw: random.Random, end: float) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < end:
            await asyncio.sleep(draw.uniform(*PAUSE_SECONDS))
            name = draw.choice(list(self._locks))
            fault, seconds = self._fault(draw, name), draw.uniform(*FAULT_SECONDS)
            async with self._locks[name]:
                await fault(seconds)

    def _fault(self, draw: random.Random, name: str) -> Callable[[float], Awaitable[None]]:
        kind, _, of = name.partition(" ")
        match kind:
            case "valkey":
                return draw.choice([self._kill_valkey, self._pause_valkey])
            case "node":
                node = self._world.nodes[of]
                return draw.choice([_killing(node), _pausing(node)])
            case "link":
                return self._link(draw, of)
        return self._send_away(draw.choice(self._world.guests))

    async def _kill_valkey(self, seconds: float) -> None:
        self._world.valkey.kill()
        await asyncio.sleep(seconds)
        self._world.valkey.start()

    async def _pause_valkey(self, seconds: float) -> None:
        self._world.valkey.pause()
        await asyncio.sleep(seconds)
        self._world.valkey.resume()

    def _link(self, draw: random.Random, of: str) -> Callable[[float], Awaitable[None]]:
        link = self._world.links[of]

        def slow() -> None:
            link.delay = 0.3

        begin = draw.choice([link.cut, link.sever, link.stall, slow])

        async def trouble(seconds: float) -> None:
            begin()
            await asyncio.sleep(seconds)
            link.mend()

        return trouble

    @staticmethod
    def _send_away(guest: Guest) -> Callable[[float], Awaitable[None]]:
        async def away(seconds: float) -> None:
            await guest.leave()
            await asyncio.sleep(seconds)
            guest.come_back()

        return away


def _killing(node: Node) -> Callable[[float], Awaitable[None]]:
    async def kill(seconds: float) -> None:
        await node.counters()  # what it has counted would die with it
        await node.kill()
        await asyncio.sleep(seconds)
        node.launch()
        await node.serves()

    return kill


def _pausing(node: Node) -> Callable[[float], Awaitable[None]]:
    async def pause(seconds: float) -> None:
        node.pause()
        await asyncio.sleep(seconds)
        node.go_on()

    return pause
