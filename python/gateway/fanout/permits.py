"""Admission: how many broadcasts, and of how many bytes, may be under way at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.fanout.base import FanoutLimits
    from gateway.types import Room

TIMES_FREE = 9
"""A tenant may hold so many times what is free.

One alone gets nine tenths of the node so, two get nine nineteenths each, and whoever holds little always finds
something.
No share has to be set, and none lies idle but the last tenth. (A. K. Choudhury, E. L. Hahne, Dynamic queue length
thresholds for shared-memory packet switches, 1998.)
"""


class Permits:
    """The node's count and bytes, each tenant's part of them, and each room's count; a limit of 0 is unlimited.

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
        self._tenants: dict[int, tuple[int, int]] = {}  # broadcasts and payload bytes of each
        self.broadcasts = 0
        self.payload_bytes = 0

    def take(self, room: Room, size: int) -> bool:
        """Take one permit of `size` bytes; False, and nothing taken, when a limit is reached."""
        in_room = self._rooms.get(room, 0)
        broadcasts, payload_bytes = self._tenants.get(room.tenant, (0, 0))
        if (
            not _fits(self._max_broadcasts, self.broadcasts, broadcasts, 1)
            or not _fits(self._max_bytes, self.payload_bytes, payload_bytes, size)
            or (self._max_room and in_room >= self._max_room)
        ):
            return False
        self.broadcasts += 1
        self.payload_bytes += size
        self._tenants[room.tenant] = broadcasts + 1, payload_bytes + size
        self._rooms[room] = in_room + 1
        return True

    def is_quiet(self, room: Room) -> bool:
        """Whether no permit of the room is out."""
        return room not in self._rooms

    def give_back(self, room: Room, size: int) -> None:
        """Give back what `take` took for the same room and size."""
        self.broadcasts -= 1
        self.payload_bytes -= size
        broadcasts, payload_bytes = self._tenants.pop(room.tenant)
        if broadcasts > 1:  # a quiet tenant costs nothing, no more than
            self._tenants[room.tenant] = broadcasts - 1, payload_bytes - size
        self._rooms[room] -= 1
        if not self._rooms[room]:
            del self._rooms[room]  # a quiet room


def _fits(limit: int, out: int, own: int, size: int) -> bool:
    """Whether one more of this size fits into a limit, of which `out` are out and `own` are the tenant's."""
    return not limit or (out + size <= limit and own <= TIMES_FREE * (limit - out))
