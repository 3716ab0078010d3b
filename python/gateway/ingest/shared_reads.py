"""Reads of rooms' histories for many clients at a time: equal ones are made once, and none is large."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.broker.streams_base import RoomHistory
from gateway.ingest.resume_base import PAGE_BYTES
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position
from gateway.types import Room

CONCURRENT_READS: Final = 4
"""Reads at the same time. Repairs have 8 of the 16 connections for reading, and heads need some."""

FIRST_READ: Final = 16
"""Events of a first read, when nothing is known of their size yet."""

MOST_EVENTS: Final = 128
"""Events of one read. Should they all be of the largest size, `CONCURRENT_READS` hold 32 MiB for a moment."""


class ReadSize:
    """How many events to ask for, so that a read brings about a page. One reader of one room has one."""

    def __init__(self) -> None:
        self.limit = FIRST_READ

    def learn(self, entries: Sequence[CriticalEvent]) -> None:
        """Go by the size of the events that came last."""
        if entries:
            mean = sum(len(event.payload) for event in entries) // len(entries)
            self.limit = max(1, min(MOST_EVENTS, PAGE_BYTES // max(1, mean)))


class SharedReads:
    """Reads that are asked for while an equal one is under way get its answer.

    After a node's death its clients come to another one with positions that are much the same; each position is read
    once then, not once per client.

    For one event loop; not thread-safe.

    Args:
        history: where rooms are read.
        concurrent: reads at the same time; others wait for their turn.
    """

    def __init__(self, history: RoomHistory, *, concurrent: int = CONCURRENT_READS) -> None:
        self._history = history
        self._turns = asyncio.Semaphore(concurrent)
        self._reads: dict[tuple[Room, Position | None], asyncio.Task[HistoryPage]] = {}
        self._tasks: set[asyncio.Task[HistoryPage]] = set()

    async def after(self, room: Room, position: Position, limit: int, *, anew: bool = False) -> HistoryPage:
        """See `RoomHistory.after`, but for the length: at most `limit`, and at most a page's bytes or one event.

        An answer that is shared may have been looked up *before* this was called, so what it does not hold may be
        there by now. Who must know says `anew`.

        Raises:
            BrokerError: history cannot be read.
        """
        return await self._share(room, position, limit, anew=anew)

    async def kept(self, room: Room, limit: int) -> HistoryPage:
        """The oldest events that history keeps (`RoomHistory.kept`), as many as for `after`.

        Raises:
            BrokerError: history cannot be read.
        """
        return await self._share(room, None, limit, anew=False)

    async def stop(self) -> None:
        """End all reads; whoever waits for one is cancelled."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _share(self, room: Room, position: Position | None, limit: int, *, anew: bool) -> HistoryPage:
        task = None if anew else self._reads.get((room, position))
        if task is None:
            task = asyncio.create_task(self._read(room, position, limit), name=f"history-read-{room}")
            self._reads[room, position] = task
            self._tasks.add(task)
            task.add_done_callback(lambda task: self._done((room, position), task))
        # Shielded: one that gives up must not end it for the others.
        return await asyncio.shield(task)

    async def _read(self, room: Room, position: Position | None, limit: int) -> HistoryPage:
        async with self._turns:
            if position is None:
                return _shortened(await self._history.kept(room, limit))
            return _shortened(await self._history.after(room, position, limit))

    def _done(self, key: tuple[Room, Position | None], task: asyncio.Task[HistoryPage]) -> None:
        self._tasks.discard(task)
        if self._reads.get(key) is task:
            del self._reads[key]
        if not task.cancelled():
            task.exception()  # seen, should nobody be left who waits for it


def _shortened(page: HistoryPage) -> HistoryPage:
    """No more than a page of payload, but one event at least: what is kept for 64 readers must stay small."""
    size = 0
    for number, event in enumerate(page.entries):
        size += len(event.payload)
        if size > PAGE_BYTES and number:
            return page._replace(entries=page.entries[:number], more=True)
    return page
