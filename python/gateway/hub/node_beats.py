"""Which nodes live: each says so in Redis once a second, and is asked for a new word before somebody is refused."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from gateway.broker.limits_base import LimitStore
from gateway.errors import BrokerError
from gateway.ingest.end_task import end_task
from gateway.telemetry.logging import get_logger

BEAT_SECONDS: Final = 1.0
"""Between two words of a node. A refusal waits for one of each node that holds a place, and takes as long."""

PROOF_SECONDS: Final = 3.0
"""A node that says nothing for so long is dead, or hangs longer than its clients wait; well within a join's time."""

POLL_SECONDS: Final = 0.25
"""Between two looks for it."""

_log = get_logger("gateway.hub.places")


class NodeBeats:
    """Says that this node lives, and finds out whether others do. For one event loop.

    No clock is compared: a node has proved that it lives when its number is another one than before.

    Attributes:
        run: the name of this run of the node, in the names of its places too; names of two runs never meet.
    """

    def __init__(self, store: LimitStore, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.run = secrets.token_hex(4)
        self._store = store
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._beat(), name="node-beats")

    async def stop(self, timeout: float = 2.0) -> None:
        """End; the last word lapses by itself."""
        task, self._task = self._task, None
        if task is not None:
            await end_task(task, timeout)

    async def dead_among(self, runs: Iterable[str]) -> set[str]:
        """Those that do not say within `PROOF_SECONDS` that they live; this one lives without being asked.

        Raises:
            BrokerError: Redis cannot be asked, and so nobody is known to be dead.
        """
        silent: dict[str, bytes] = {}
        dead: set[str] = set()
        asked = sorted(set(runs) - {self.run})
        for run, number in zip(asked, await self._store.beats(asked), strict=True):
            if number is None:
                dead.add(run)
            else:
                silent[run] = number
        for _ in range(round(PROOF_SECONDS / POLL_SECONDS)):
            if not silent:
                break
            await self._sleep(POLL_SECONDS)
            numbers = await self._store.beats(list(silent))
            for (run, before), number in zip(list(silent.items()), numbers, strict=True):
                if number is None:
                    dead.add(run)
                if number != before:
                    del silent[run]
        return dead | set(silent)

    async def _beat(self) -> None:
        number = 0
        while True:
            number += 1
            try:
                await self._store.beat(self.run, number)
            except BrokerError as error:
                # Others may take this node's places for free; whoever holds one has it back with the next renewal.
                _log.debug("Redis was not told that this node lives", why=str(error))
            await self._sleep(BEAT_SECONDS)
