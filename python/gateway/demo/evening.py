"""The evening itself: guests come and go at every table, and the back end tells of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator

from gateway.demo.back_end import BackEnd
from gateway.demo.door import Door
from gateway.demo.guest import Guest
from gateway.demo.scenario import Happen, Leave, Seat, Step, Wait, parties
from gateway.demo.world import Branch, Persona, Table, World, diner

SETTLE_SECONDS = 10.0
"""How long deliveries under way are waited for, at the end and when somebody leaves."""

_FIRST_SESSION = 1001


class Evening:
    """Plays the scenario at every table until `last_orders`. For one event loop.

    It ends between two steps and is not cancelled: a publication cut short might have gone out or not, and then nobody
    could say whether a delivery is missing.

    Args:
        world: branches and staff.
        door: lets people in.
        back_end: where events go.
        rng: makes one evening different from the next.
    """

    def __init__(self, world: World, door: Door, back_end: BackEnd, rng: random.Random) -> None:
        self._world = world
        self._door = door
        self._back_end = back_end
        self._rng = rng
        self._guests: set[Guest] = set()
        self._closing = asyncio.Event()
        # Counted per tenant, so that tenants use the same session numbers at the same time.
        self._sessions: defaultdict[int, Iterator[int]] = defaultdict(lambda: itertools.count(_FIRST_SESSION))

    async def open(self) -> None:
        """Connect the staff.

        Raises:
            DemoError: somebody could not connect.
        """
        await self._welcome(self._world.staff)

    def last_orders(self) -> None:
        """Let `play` return once every table has finished the step it is at."""
        self._closing.set()

    async def play(self) -> None:
        """Serve parties at all tables until `last_orders`.

        Raises:
            ExceptionGroup: of DemoError (a diner could not connect) or BrokerError (Redis is away).
        """
        async with asyncio.TaskGroup() as group:
            for branch in self._world.branches:
                for table in branch.tables:
                    group.create_task(self._table(branch, table), name=f"table-{table.room.tenant}-{table.number}")

    async def settle(self) -> None:
        """Wait for what is under way, at most `SETTLE_SECONDS`; nothing new may be published any more."""
        await asyncio.gather(*(guest.settle(SETTLE_SECONDS) for guest in self._guests))

    async def go_home(self) -> None:
        """Disconnect everybody."""
        await asyncio.gather(*(guest.depart(0) for guest in self._guests))
        self._guests.clear()

    async def _table(self, branch: Branch, table: Table) -> None:
        # Doors open for everybody, but not in the same instant.
        await self._pause(self._rng.uniform(0, 0.5))
        try:
            for party in parties(self._rng):
                if self._closing.is_set():
                    return
                await self._party(branch, table, next(self._sessions[table.room.tenant]), party)
        finally:
            # One table that fails ends all. Cancellation alone would not do: before Python 3.12 `asyncio.wait_for`
            # loses one that meets a finished wait, and the Redis client waits with it.
            self._closing.set()

    async def _party(self, branch: Branch, table: Table, session: int, steps: Iterator[Step]) -> None:
        seated: list[Guest] = []
        for step in steps:
            if self._closing.is_set():
                return
            match step:
                case Wait(seconds):
                    await self._pause(seconds)
                case Happen():
                    await self._back_end.tell(table, session, step)
                case Seat(guests):
                    people = [diner(branch, table, session, seat) for seat in range(1, guests + 1)]
                    seated += await self._welcome(people)
                case Leave():
                    await asyncio.gather(*(guest.depart(SETTLE_SECONDS) for guest in seated))
                    self._guests.difference_update(seated)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the evening ends before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _welcome(self, people: Iterable[Persona]) -> list[Guest]:
        return list(await asyncio.gather(*(self._admit(persona) for persona in people)))

    async def _admit(self, persona: Persona) -> Guest:
        guest = await self._door.admit(persona)
        self._guests.add(guest)
        return guest
