"""Reads rooms from history until their cursors have caught up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.broker.streams_base import RoomHistory
from gateway.errors import BrokerError
from gateway.ingest.live_base import LiveObserver, RepairCause, RoomFanout
from gateway.ingest.pace import BATCH_EVENTS, WorkerPace
from gateway.ingest.room_cursor import RoomCursor, RoomState
from gateway.ingest.room_feed import RoomFeed
from gateway.protocol.messages import critical_gap
from gateway.resilience.jitter import DecorrelatedJitter

CONCURRENT_READS = 8
"""Histories that are read at the same time. After an outage every room may need it; half of the connections for
commands stay free for admissions."""

BEHIND_SECONDS = (0.01, 1.0)
"""Shortest and longest wait of a room that found no permit. A free worker passes on hundreds of events in the first."""

AWAY_SECONDS = (0.1, 10.0)
"""Shortest and longest wait of a room whose history could not be read."""

_log = logging.getLogger("gateway.ingest")


class RoomRepair:
    """One task for each room that is being read; a room is read by one task at a time.

    A page is read, submitted, and so on until there is no more; then the live messages that came meanwhile are offered
    to the cursor, and those that do not follow begin another round. Each round clears what was kept: the relay writes
    history and publishes in one step, so what has come before a read is in it.

    For one event loop; not thread-safe.

    Args:
        history: where rooms are read.
        fanout: takes the events, and the announcement of a gap.
        feed: submits them.
        pace: gives the workers a turn after every page.
        observer: is told of repairs, gaps and rooms that are behind.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    def __init__(
        self,
        history: RoomHistory,
        fanout: RoomFanout,
        feed: RoomFeed,
        *,
        pace: WorkerPace,
        observer: LiveObserver,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._history = history
        self._fanout = fanout
        self._feed = feed
        self._pace = pace
        self._observer = observer
        self._sleep = sleep
        self._reads = asyncio.Semaphore(CONCURRENT_READS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._behind: set[RoomCursor] = set()

    @property
    def behind(self) -> int:
        """Rooms that wait for permits."""
        return len(self._behind)

    @property
    def reading(self) -> int:
        """Rooms that are being read."""
        return len(self._tasks)

    def start(self, cursor: RoomCursor, cause: RepairCause) -> None:
        """Read a room that is in the state READING, in the background."""
        task = asyncio.create_task(self._run(cursor, cause), name=f"room-repair-{cursor.room}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End all of it; the cursors stay where they are."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, cursor: RoomCursor, cause: RepairCause) -> None:
        self._observer.on_repair(cause)
        _log.debug("a room is repaired from history", extra={"room": cursor.room, "cause": cause.value})
        try:
            await self._catch_up(cursor, behind=cause is RepairCause.QUEUE_FULL)
        except Exception:  # noqa: BLE001 - logged in full; a room that nobody reads any more would stay silent for ever
            _log.exception("reading a room failed and begins again", extra={"room": cursor.room})
            await self._sleep(AWAY_SECONDS[1])
            self._again(cursor, cause)
        finally:
            self._set_behind(cursor, behind=False)

    def _again(self, cursor: RoomCursor, cause: RepairCause) -> None:
        if cursor.state is not RoomState.FORGOTTEN:
            cursor.read()
            self.start(cursor, cause)

    async def _catch_up(self, cursor: RoomCursor, *, behind: bool) -> None:
        full, away = DecorrelatedJitter(*BEHIND_SECONDS), DecorrelatedJitter(*AWAY_SECONDS)
        level = logging.WARNING
        while cursor.is_reading():
            if behind:
                self._set_behind(cursor, behind=True)
                await self._sleep(full.next())
            try:
                more = await self._page(cursor)
            except BrokerError as error:
                behind = False
                # Once as a warning: an outage that lasts would repeat it for every room.
                _log.log(level, "a room cannot be read: %s", error, extra={"room": cursor.room})
                level = logging.DEBUG
                await self._sleep(away.next())
                continue
            behind = more is None
            if behind:
                continue
            self._set_behind(cursor, behind=False)
            full.reset()
            away.reset()
            await self._pace.let_workers_run()
            if not more and cursor.is_reading() and not cursor.overflowed:
                # Broken again, or without a permit again: the state is READING, and the loop goes round.
                broken = self._feed.pass_on((cursor, event) for event in cursor.follow())
                behind = broken.get(cursor) is RepairCause.QUEUE_FULL

    async def _page(self, cursor: RoomCursor) -> bool | None:
        """Read and submit one page. Whether there is more; None when something found no permit."""
        if (position := cursor.position) is None:
            raise RuntimeError(f"{cursor.room} is read before its head is known")
        async with self._reads:
            if not cursor.is_reading():
                return False
            cursor.read()
            page = await self._history.after(cursor.room, position, BATCH_EVENTS)
        if not cursor.is_reading():
            return False
        if page.known:
            return page.more if self._feed.replay(cursor, page.entries) else None
        if not self._fanout.announce(cursor.room, critical_gap(cursor.room.branch), page.head):
            return None
        cursor.adopt(page.head)
        self._observer.on_gap()
        _log.warning(
            "critical events of a room may be missing, and its members were told: its position is no longer known",
            extra={"room": cursor.room, "position": position, "head": page.head},
        )
        return False

    def _set_behind(self, cursor: RoomCursor, *, behind: bool) -> None:
        if behind is (cursor in self._behind):
            return
        if behind:
            self._behind.add(cursor)
        else:
            self._behind.discard(cursor)
        self._observer.on_behind(len(self._behind))
