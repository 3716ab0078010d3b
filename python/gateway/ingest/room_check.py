"""Compares the cursors of rooms with their heads in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway.broker.streams_base import RoomHistory
from gateway.ingest.live_base import RepairCause
from gateway.ingest.room_cursor import RoomCursor, RoomState
from gateway.ingest.room_feed import RoomFeed
from gateway.ingest.room_repair import RoomRepair
from gateway.protocol.positions import ZERO, Position

GRACE_SECONDS = 1.0
"""How long a head may be ahead of the cursor: its live message may be on its way while the head is read."""


class RoomCheck:
    """Finds what no live message can tell: where a room begins, and that its *last* message was lost.

    For one event loop; not thread-safe. Both methods read all heads in one pipeline.

    Args:
        history: where heads are read.
        feed: submits what came while the first head of a room was being read.
        repair: reads the rooms that have missed something.
        on_adopted: told each room whose first head is there.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    def __init__(
        self,
        history: RoomHistory,
        feed: RoomFeed,
        repair: RoomRepair,
        *,
        on_adopted: Callable[[RoomCursor], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._history = history
        self._feed = feed
        self._repair = repair
        self._on_adopted = on_adopted
        self._sleep = sleep

    async def begin(self, cursors: Sequence[RoomCursor]) -> None:
        """Rooms whose subscription has just been confirmed: adopt the head, or catch up after a lost connection.

        Raises:
            BrokerError: the heads cannot be read.
        """
        for cursor, head in await self._heads(cursors):
            if cursor.state is RoomState.NEW:
                self._adopt(cursor, head)
            else:
                self._repair_unless_passed(cursor, head)

    async def look(self, cursors: Sequence[RoomCursor]) -> None:
        """Rooms that are followed: repair those whose head does not come by itself within `GRACE_SECONDS`.

        Raises:
            BrokerError: the heads cannot be read.
        """
        ahead = [(cursor, head) for cursor, head in await self._heads(cursors) if not cursor.has_passed(head)]
        if ahead:
            await self._sleep(GRACE_SECONDS)
            for cursor, head in ahead:
                self._repair_unless_passed(cursor, head)

    async def _heads(self, cursors: Sequence[RoomCursor]) -> list[tuple[RoomCursor, Position]]:
        heads = await self._history.heads([cursor.room for cursor in cursors])
        return [(cursor, head or ZERO) for cursor, head in zip(cursors, heads, strict=True)]

    def _adopt(self, cursor: RoomCursor, head: Position) -> None:
        cursor.adopt(head)
        if cursor.overflowed:
            cursor.read()
            self._repair.start(cursor, RepairCause.BACKLOG)
        else:
            for broken, cause in self._feed.pass_on((cursor, event) for event in cursor.follow()).items():
                self._repair.start(broken, cause)
        self._on_adopted(cursor)

    def _repair_unless_passed(self, cursor: RoomCursor, head: Position) -> None:
        if cursor.state is RoomState.FOLLOWING and not cursor.has_passed(head):
            cursor.read()
            self._repair.start(cursor, RepairCause.CHECK)
