"""What has been heard and not yet been taken by the application."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.client.messages import Event, Stale, Throttled

Message = Event | Stale | Throttled
"""What a client yields."""


@dataclass(slots=True)
class _Mark:
    """Stands behind the last message that these positions count."""

    positions: dict[str, str]


class Inbox:
    """A bounded queue with one reader. For one event loop.

    Positions travel in the same queue as `_Mark`s: they are saved when the reader comes back for more, and not when
    the event arrives, so that an application that dies in the middle of an event hears that event again.

    Args:
        size: so many messages fit; who fills it is expected to wait for `room`.
        save: takes positions.
    """

    def __init__(self, size: int, save: Callable[[dict[str, str]], Awaitable[None]]) -> None:
        self._size = size
        self._save = save
        self._items: deque[Message | _Mark] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._end: Exception | None = None

    @property
    def full(self) -> bool:
        """Whether the reader is behind."""
        return not self._room.is_set()

    def put(self, message: Message) -> None:
        """Add a message. Never waits: what came in one piece is taken in one piece."""
        self._items.append(message)
        self._filled.set()
        if len(self._items) >= self._size:
            self._room.clear()

    def mark(self, positions: dict[str, str]) -> None:
        """Everything so far counts up to these positions."""
        if self._items and isinstance(self._items[-1], _Mark):
            self._items[-1].positions = positions
        else:
            self._items.append(_Mark(positions))
        self._filled.set()

    def end(self, error: Exception, *, at_once: bool = False) -> None:
        """Nothing comes any more: the reader gets this error after what is there, or instead; the first counts."""
        if self._end is None:
            self._end = error
            if at_once:
                self._items.clear()
            self._filled.set()

    async def room(self) -> None:
        """Wait until the reader has caught up halfway."""
        await self._room.wait()

    async def get(self) -> Message:
        """The next message; saves the positions that stand before it.

        Raises:
            Exception: what `end` was given; what `save` raises.
        """
        while True:
            while self._items:
                item = self._items.popleft()
                if len(self._items) <= self._size // 2:
                    self._room.set()
                if not isinstance(item, _Mark):
                    return item
                await self._save(item.positions)
            if self._end is not None:
                raise self._end
            self._filled.clear()
            await self._filled.wait()
