"""Admission: how many broadcasts, and of how many bytes, may be under way at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fanout.base import FanoutLimits
    from gateway.types import Room


class Permits:
    """The node's count and bytes, and each room's count; a limit of 0 is unlimited.

    One permit is a broadcast with its payload. It is taken whole or not at all, so that a refused event has
    touched nothing. For the event loop's thread; the two gauges may be read from any.

    Attributes:
        broadcasts: permits that are out.
        payload_bytes: payload bytes that they hold.
    """

    def __init__(self, limits: FanoutLimits) -> None:
        for name in ("max_broadcasts", "max_broadcast_bytes", "max_room_broadcasts"):
            if getattr(limits, name) < 0:
                raise ValueError(f"{name} is {getattr(limits, name)}; expected 0 (unlimited) or more")
        self._max_broadcasts = limits.max_broadcasts
        self._max_bytes = limits.max_broadcast_bytes
        self._max_room = limits.max_room_broadcasts
        self._rooms: dict[Room, int] = {}
        self.broadcasts = 0
        self.payload_bytes = 0

    def take(self, room: Room, size: int) -> bool:
        """Take one permit of `size` bytes; False, and nothing taken, when one of the three limits is reached."""
        in_room = self._rooms.get(room, 0)
        if (
            (self._max_broadcasts and self.broadcasts >= self._max_broadcasts)
            or (self._max_bytes and self.payload_bytes + size > self._max_bytes)
            or (self._max_room and in_room >= self._max_room)
        ):
            return False
        self.broadcasts += 1
        self.payload_bytes += size
        self._rooms[room] = in_room + 1
        return True

    def is_quiet(self, room: Room) -> bool:
        """Whether no permit of the room is out."""
        return room not in self._rooms

    def give_back(self, room: Room, size: int) -> None:
        """Give back what `take` took for the same room and size."""
        self.broadcasts -= 1
        self.payload_bytes -= size
        self._rooms[room] -= 1
        if not self._rooms[room]:
            del self._rooms[room]  # a quiet room costs nothing
