"""The histories of rooms in memory, written as the relay writes them and read by the real rule."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from gateway.errors import BrokerError
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage, HistoryView, after
from gateway.protocol.positions import ZERO, Position, entry_id, parse_id, position_of
from gateway.types import Room


class MemoryRoomHistory:
    """Keeps `broker.streams_base.RoomHistory`; what it is asked can fail, or wait until the test lets it go on.

    A question is answered with what holds when it is asked; that it takes time shows in the answer's coming later.
    """

    def __init__(self) -> None:
        self.events: defaultdict[Room, list[CriticalEvent]] = defaultdict(list)
        self.head: dict[Room, Position] = {}
        self.away = False
        self.head_reads: list[list[Room]] = []
        self.page_reads: list[tuple[Room, Position, int]] = []
        self._going = asyncio.Event()
        self._going.set()

    # --- for the test: the relay --------------------------------------------------------------------------------

    def relay(self, room: Room, number: str, payload: bytes, *audiences: str) -> CriticalEvent:
        """Write a new event under a stream id, and give what the live channel would carry."""
        event = self.feed(room, number, payload, *audiences)
        assert event is not None, "history holds this event already"
        return event

    def feed(
        self, room: Room, number: str, payload: bytes, *audiences: str, refeed: bool = False
    ) -> CriticalEvent | None:
        """Write an event as the relay's script does; None when it is a repeat, or too old to be fed again.

        An id that is not above the head, and that history does not hold, begins the history again.
        """
        events, prev, position = self.events[room], self.head.get(room), position_of(number, payload)
        if prev is not None and any(event.position == position for event in events):
            return None
        oldest = events[0].position if events else None
        if refeed and prev is not None and oldest and parse_id(number) < parse_id(entry_id(oldest)):
            return None
        if prev is None or parse_id(number) <= parse_id(entry_id(prev)):
            events.clear()
            prev = ZERO
        event = CriticalEvent(position, prev, audiences or (f"branch:{room.branch}:admin",), payload)
        events.append(event)
        self.head[room] = position
        return event

    def begin_again(self, room: Room) -> None:
        """The source went back: the next event is the first of a new history."""
        self.events[room].clear()
        self.head.pop(room, None)

    def trim(self, room: Room, keep: int) -> None:
        """Cap the history; 0 lets it expire. The head outlives it."""
        self.events[room] = self.events[room][len(self.events[room]) - keep :] if keep else []

    def hold_back(self) -> None:
        """From here on answers wait."""
        self._going.clear()

    def let_go(self) -> None:
        """Let them come."""
        self._going.set()

    # --- the port -----------------------------------------------------------------------------------------------

    async def heads(self, rooms: Sequence[Room]) -> list[Position | None]:
        self.head_reads.append(list(rooms))
        answer = [self.head.get(room) for room in rooms]
        await self._answer()
        return answer

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        self.page_reads.append((room, position, limit))
        events = self.events[room]
        start = parse_id(entry_id(position))
        tail = [event for event in events if parse_id(entry_id(event.position)) >= start]
        view = HistoryView(self.head.get(room), events[0] if events else None, tail)
        answer = after(position, view, limit)
        await self._answer()
        return answer

    async def kept(self, room: Room, limit: int) -> HistoryPage:
        events = tuple(self.events[room])
        answer = HistoryPage(True, events[:limit], len(events) > limit, self.head.get(room, ZERO))
        await self._answer()
        return answer

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise BrokerError("Redis is away")
        await self._going.wait()
