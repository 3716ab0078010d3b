"""How far this node has come in one room."""

from __future__ import annotations

from enum import Enum, auto

from gateway.ingest.room_ring import RingBudget, RoomRing
from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import Position
from gateway.types import Room

PENDING_EVENTS = 256
"""Live messages that are kept while the room is being read: as many as the ring recognises. More are read again."""


class RoomState(Enum):
    """Where a cursor is.

    | state | a live message | goes to |
    |---|---|---|
    | NEW: the head is not known yet | is kept | FOLLOWING by `adopt` and `follow` |
    | FOLLOWING | must follow the cursor | READING when one does not, or finds no permit |
    | READING history | is kept | FOLLOWING by `follow` |
    | FORGOTTEN: the node has left the room | is not asked | nowhere |
    """

    NEW = auto()
    FOLLOWING = auto()
    READING = auto()
    FORGOTTEN = auto()


class Verdict(Enum):
    """What a cursor says to a critical event."""

    NEXT = auto()  # submit it and `advance`
    REPEAT = auto()  # `advance` only: the node has passed it on before it went back to an older position
    SEEN = auto()  # it has been passed on; nothing to do
    KEPT = auto()  # it waits until the reading is over
    BROKEN = auto()  # something before it is missing: read history


class RoomCursor:
    """The position up to which the node has submitted a room, and what it remembers of the way. No I/O.

    The one test for going on is that an event's `prev` *is* the cursor. A ring of the last events tells those that
    came before from those that are missing; ids are never compared.

    For one event loop; not thread-safe.
    """

    def __init__(self, room: Room, budget: RingBudget) -> None:
        self.room = room
        self.state = RoomState.NEW
        self.ring = RoomRing(budget)
        self._position: Position | None = None
        self._pending: list[CriticalEvent] = []
        self._overflowed = False

    @property
    def position(self) -> Position | None:
        """Up to where the room has been submitted; None until the head is known."""
        return self._position

    @property
    def overflowed(self) -> bool:
        """Whether messages came, since the reading began, that were not kept."""
        return self._overflowed

    def is_reading(self) -> bool:
        """Whether history is being read for it."""
        return self.state is RoomState.READING

    def offer(self, event: CriticalEvent) -> Verdict:
        """What to do with a live message."""
        if self.state is not RoomState.FOLLOWING:
            self._keep(event)
            return Verdict.KEPT
        if event.prev == self._position:
            return Verdict.REPEAT if event in self.ring else Verdict.NEXT
        return Verdict.SEEN if event in self.ring else Verdict.BROKEN

    def is_new(self, event: CriticalEvent) -> bool:
        """Whether an event that history gave has not been passed on yet."""
        return event not in self.ring

    def has_passed(self, head: Position) -> bool:
        """Whether a room's head is nothing new: the cursor itself, or an event that has been passed on."""
        return head == self._position or self.ring.holds(head)

    def advance(self, event: CriticalEvent) -> None:
        """Go past an event."""
        self._position = event.position
        self.ring.push(event)

    def retreat(self, event: CriticalEvent) -> None:
        """Undo `advance`, for an event that found no permit. Of several, the newest first."""
        self._position = event.prev
        self.ring.take_back(event)

    def adopt(self, head: Position) -> None:
        """Stand at the room's head, whatever was missed before it."""
        self._position = head
        self.ring.break_off()
        # What was kept up to the head is covered by it; what does not contain the head is judged by `prev`.
        covered = next((at for at, event in enumerate(self._pending, 1) if event.position == head), 0)
        del self._pending[:covered]

    def read(self) -> None:
        """History is about to be read: what came until now is in it, since the relay writes both in one step."""
        self.state = RoomState.READING
        self._pending.clear()
        self._overflowed = False

    def follow(self) -> list[CriticalEvent]:
        """The reading is over; gives the live messages that came meanwhile, to be offered again in their order."""
        pending, self._pending = self._pending, []
        self.state = RoomState.FOLLOWING
        return pending

    def forget(self) -> None:
        """The node has left the room: whoever still works for it must stop."""
        self.state = RoomState.FORGOTTEN
        self._pending.clear()
        self.ring.clear()

    def _keep(self, event: CriticalEvent) -> None:
        if len(self._pending) < PENDING_EVENTS:
            self._pending.append(event)
        else:
            self._overflowed = True
