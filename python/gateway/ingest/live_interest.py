"""Which rooms this node follows, from the first join until some time after the last leave."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from gateway.errors import BrokerError
from gateway.fanout.base import Occupancy
from gateway.ingest.interest import Interest
from gateway.ingest.room_cursor import RoomCursor
from gateway.ingest.room_ring import RingBudget, RoomRing
from gateway.protocol.keys import live_channel
from gateway.protocol.positions import Position
from gateway.types import Clock, Room

LINGER_SECONDS = 60.0
"""How long an emptied room is followed further: a client that comes back from a tunnel costs nothing."""

_log = logging.getLogger("gateway.ingest")


class LiveInterest:
    """Keeps `RoomInterest`: one rule for membership, subscription and cursor.

    A room is *needed* while it is held for an admission or has a member, and *followed* from then until
    `LINGER_SECONDS` after it was last needed. A followed room has a cursor, and its channel is wanted of `channels`;
    a room that is not followed has neither. So all three change in one step, and an admission that fails leaves
    nothing behind but a room that lingers.

    For one event loop; not thread-safe. Who uses it: the hub holds, the fan-out core reports rooms, and the live
    subscriber takes `due` and calls `adopted` and `expire`.

    Args:
        clock: `monotonic` is used.
        timeout: seconds that `hold` waits, once for the confirmations and once for the positions.
        linger: seconds that an emptied room is followed further.

    Attributes:
        channels: the subscriptions, to be driven by the subscriber's link.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        timeout: float = 5.0,
        linger: float = LINGER_SECONDS,
        budget: RingBudget | None = None,
    ) -> None:
        self.channels = Interest(sharded=True, timeout=timeout)
        self._clock = clock
        self._timeout = timeout
        self._linger = linger
        self._budget = budget or RingBudget()
        self._holds: Counter[Room] = Counter()
        self._occupied: Counter[Room] = Counter()
        self._cursors: dict[str, RoomCursor] = {}  # by live channel
        self._lingering: dict[Room, float] = {}  # until when; all linger equally long, so the first ends first
        self._known: dict[Room, asyncio.Event] = {}  # followed rooms; set once the position is known
        self._due: dict[RoomCursor, None] = {}
        self._has_due = asyncio.Event()

    @property
    def rooms(self) -> int:
        """How many rooms are followed."""
        return len(self._cursors)

    def position(self, room: Room) -> Position | None:
        """See `RoomInterest.position`."""
        cursor = self._cursors.get(live_channel(room))
        return None if cursor is None else cursor.position

    def ring(self, room: Room) -> RoomRing | None:
        """The room's last events; None for a room that is not followed."""
        cursor = self._cursors.get(live_channel(room))
        return None if cursor is None else cursor.ring

    # --- what the node needs ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def hold(self, rooms: Sequence[Room]) -> AsyncIterator[None]:
        """See `RoomInterest.hold`.

        Leave the block only when the core has the connection. Every critical event behind `position` reaches it then,
        or its room is told of a gap; while the connection to Redis lives this needs no repair.

        Raises:
            BrokerError: subscriptions or positions did not come in time. Nothing stays held then, nor after a
                cancellation.
        """
        held = tuple(dict.fromkeys(rooms))
        for room in held:
            self._hold(room)
        try:
            # The inner hold waits for the confirmations; that the channels are wanted is known already.
            async with self.channels.hold([live_channel(room) for room in held]):
                await self._all_known(held)
                yield
        finally:
            for room in held:
                self._release(room)

    def on_rooms(self, occupied: Sequence[Room], vacated: Sequence[Room]) -> None:
        """See `RoomInterest.on_rooms`."""
        # Counted, and occupied first: one report may do both to a room, in either order.
        for room in occupied:
            self._occupied[room] += 1
            self._follow(room)
        for room in vacated:
            if room not in self._occupied:
                # The core keeps this from happening; a room too many or too few must not end the node.
                _log.error("a room was vacated that was not occupied", extra={"room": room})
                continue
            self._drop_one(self._occupied, room)

    def expire(self) -> None:
        """Leave the rooms that have lingered long enough."""
        now = self._clock.monotonic()
        while self._lingering:
            room, until = next(iter(self._lingering.items()))
            if until > now:
                return
            del self._lingering[room]
            self._leave(room)

    def seconds_to_expiry(self) -> float:
        """Seconds until `expire` has something to do; infinite when nothing lingers."""
        if not self._lingering:
            return math.inf
        return max(0.0, next(iter(self._lingering.values())) - self._clock.monotonic())

    # --- for the subscriber -------------------------------------------------------------------------------------

    def cursor(self, channel: str) -> RoomCursor | None:
        """The cursor of the room with this live channel; None when it is not followed."""
        return self._cursors.get(channel)

    def confirmed_cursors(self) -> list[RoomCursor]:
        """The cursors of all rooms whose subscription stands."""
        return [cursor for channel, cursor in self._cursors.items() if self.channels.is_confirmed(channel)]

    def on_confirmed(self, channels: Iterable[str]) -> None:
        """Subscriptions were answered: rooms whose subscription stands now are due to be compared with their heads."""
        for channel in channels:
            cursor = self._cursors.get(channel)
            if cursor is not None and self.channels.is_confirmed(channel):
                self.make_due(cursor)

    def make_due(self, cursor: RoomCursor) -> None:
        """Put a room among those that `due` gives."""
        self._due[cursor] = None
        self._has_due.set()

    async def due(self) -> list[RoomCursor]:
        """Wait for rooms whose subscription was confirmed lately, and take them: their heads may be read now."""
        while True:
            await self._has_due.wait()
            # One more turn: rooms of one command are confirmed by one answer each, and go into one pipeline.
            await asyncio.sleep(0)
            self._has_due.clear()
            due, self._due = self._due, {}
            if cursors := [cursor for cursor in due if self._stands(cursor)]:
                return cursors

    def adopted(self, cursor: RoomCursor) -> None:
        """A room's position is known: who waits for it is let in."""
        if self._cursors.get(live_channel(cursor.room)) is cursor:
            self._known[cursor.room].set()

    # --- inside -------------------------------------------------------------------------------------------------

    def _stands(self, cursor: RoomCursor) -> bool:
        # Confirmations may have been lost since, or the room left and entered again with a new cursor.
        channel = live_channel(cursor.room)
        return self._cursors.get(channel) is cursor and self.channels.is_confirmed(channel)

    def _hold(self, room: Room) -> None:
        self._holds[room] += 1
        self._follow(room)

    def _release(self, room: Room) -> None:
        self._drop_one(self._holds, room)

    def _follow(self, room: Room) -> None:
        self._lingering.pop(room, None)
        channel = live_channel(room)
        if channel in self._cursors:
            return
        cursor = self._cursors[channel] = RoomCursor(room, self._budget)
        self._known[room] = asyncio.Event()
        self.channels.on_occupancy(Occupancy(occupied=(channel,)))
        if self.channels.is_confirmed(channel):
            # Left and entered again before the end of the subscription was written: no confirmation will come.
            self.make_due(cursor)

    def _drop_one(self, counter: Counter[Room], room: Room) -> None:
        counter[room] -= 1
        if not counter[room]:
            del counter[room]
        if room not in self._holds and room not in self._occupied:
            # It does not linger yet, so it goes to the end, and the order is that of the deadlines.
            self._lingering[room] = self._clock.monotonic() + self._linger

    def _leave(self, room: Room) -> None:
        channel = live_channel(room)
        self._cursors.pop(channel).forget()
        del self._known[room]
        self.channels.on_occupancy(Occupancy(vacated=(channel,)))

    async def _all_known(self, rooms: Sequence[Room]) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                for room in rooms:
                    await self._known[room].wait()
        except TimeoutError:
            raise BrokerError(
                f"Redis did not give the positions of {len(rooms)} rooms within {self._timeout:g} s; "
                "see the log for the state of the connection"
            ) from None
