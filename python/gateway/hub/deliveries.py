"""What became of a critical event on this node, and whether one connection got it.

Nothing is recorded per recipient. Counts are the core's (`hub.delivery_ring`); a connection's answer follows from its
position, and from where the event stands in the room's order: everything up to the position has been passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import ConnectionInfo, Fanout
from gateway.hub.delivery_ring import DeliveryRing
from gateway.hub.delivery_views import NodeDelivery, Receipt
from gateway.hub.label import Label
from gateway.ingest.room_ring import RoomRing
from gateway.protocol.events import event_type
from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position, entry_id, parse_id
from gateway.types import ConnectionId, Room

TOLERANCE_SECONDS: Final = 1.0
"""A connection's beginning is known to the second."""

LOOK_AHEAD: Final = 256
"""Events behind a connection's position that are read from history to find one that is still on its way."""

CONNECTION_ENDED: Final = "connection_ended"
"""Why an event was dropped: its recipient was gone, or too slow to be kept, and was closed with 1013 in its place."""

BEHIND: Final = "not yet: the event is behind the connection's position"
TOO_OLD: Final = "history does not reach back to the connection's position"
NOBODY_KNOWS: Final = "it is before the connection's position, but nobody knows any more whom it was for"
CAME_LATER: Final = (
    "the event came to the node before the connection did, or in the same second; the connection has it if it resumed"
    " from before it"
)


class EventHistory(Protocol):
    """What is read of history; `broker.redis_history.RedisHistory` keeps it. Raises BrokerError."""

    async def entry(self, room: Room, event_id: str) -> CriticalEvent | None:
        """The event with this id, if the room's history holds it."""
        ...

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        """See `RoomHistory.after`."""
        ...


class Deliveries:
    """Answers for this node. For one event loop."""

    def __init__(
        self,
        fanout: Fanout,
        node: str,
        ring: DeliveryRing,
        history: EventHistory,
        *,
        room_ring: Callable[[Room], RoomRing | None],
    ) -> None:
        """`node`: this node's name; `room_ring`: the last events of a room that the node follows."""
        self._fanout = fanout
        self._node = node
        self._ring = ring
        self._room_ring = room_ring
        self._history = history

    def report(self, event_id: str) -> NodeDelivery | None:
        """What became of an event here; None where nobody was in its room, or too much came since."""
        found = self._ring.find(event_id)
        if found is None:
            return None
        event = self._remembered(found.room, event_id)
        matched, queued, lost = found.reach
        return NodeDelivery(
            node=self._node,
            tenant=found.room.tenant,
            branch=found.room.branch,
            type=None if event is None else event_type(event.payload),
            matched=matched,
            sent=matched - queued - lost,
            queued=queued,
            dropped={CONNECTION_ENDED: lost} if lost else {},
            at=found.accepted + found.seconds,
            seconds=found.seconds,
        )

    async def event(self, room: Room, event_id: str) -> CriticalEvent | None:
        """An event, from the node's memory or from history.

        Raises:
            BrokerError: Redis is away.
        """
        return self._remembered(room, event_id) or await self._history.entry(room, event_id)

    async def receipt(self, event_id: str, connection: ConnectionId, room: Room | None) -> Receipt:
        """Whether a connection of this node got an event; `room` is the event's where somebody knows it.

        Raises:
            BrokerError: Redis is away, and the node's memory is not enough.
        """
        try:
            info = self._fanout.info(connection)
        except ConnectionGoneError:
            return Receipt(None, "the connection has left; if its client comes back, it asks for what it missed")
        rooms = [member.room for member in info.memberships]
        if room is None:
            room = await self._room_of(event_id, rooms)
            if room is None:
                return Receipt(
                    None, "no branch that the connection hears has the event, as far back as history reaches"
                )
        if room not in rooms:
            return Receipt(False, f"the event is tenant {room.tenant}'s, branch {room.branch}, which it does not hear")
        return await self._receipt(event_id, info, room)

    async def _receipt(self, event_id: str, info: ConnectionInfo, room: Room) -> Receipt:
        event = await self.event(room, event_id)
        audiences = next(member.audiences for member in info.memberships if member.room == room)
        if event is not None and set(event.audiences).isdisjoint(audiences):
            return Receipt(False, f"the event is for {_listed(event.audiences)}, and it is in {_listed(audiences)}")
        text = self._fanout.positions(info.connection).get(room.branch)
        if text is None:
            return Receipt(None, "it is being given what it missed, or has no position yet; ask again in a moment")
        position = Position(text)
        has_passed = await self._has_passed(event_id, position, room)
        if not has_passed:
            return Receipt(has_passed, BEHIND if has_passed is False else TOO_OLD, position)
        if event is None:
            return Receipt(None, NOBODY_KNOWS, position)
        return self._by_age(event_id, info, position)

    def _by_age(self, event_id: str, info: ConnectionInfo, position: Position) -> Receipt:
        """What follows for an event that a connection is entitled to, and that is not behind its position."""
        since = Label.decode(info.identity.label).since if info.identity.label else 0
        if self._accepted_at(event_id) < since + TOLERANCE_SECONDS:
            return Receipt(None, CAME_LATER, position)
        return Receipt(True, "it was passed to the connection, which has been here since before", position)

    async def _has_passed(self, event_id: str, position: Position, room: Room) -> bool | None:
        """Whether an event of a room is not behind a position; None where that cannot be told."""
        if entry_id(position) == event_id:
            return True
        ring = self._room_ring(room)
        order = None if ring is None else ring.precedes(event_id, position)
        if order is not None:
            return order
        page = await self._history.after(room, position, LOOK_AHEAD)
        if not page.known:
            return None
        return all(entry_id(later.position) != event_id for later in page.entries)

    async def _room_of(self, event_id: str, rooms: Sequence[Room]) -> Room | None:
        for room in rooms:
            if await self.event(room, event_id) is not None:
                return room
        return None

    def _remembered(self, room: Room, event_id: str) -> CriticalEvent | None:
        ring = self._room_ring(room)
        return None if ring is None else ring.event(event_id)

    def _accepted_at(self, event_id: str) -> float:
        """Unix seconds of its acceptance by this node; where that is forgotten, of its coming into the source."""
        found = self._ring.find(event_id)
        return parse_id(event_id)[0] / 1000 if found is None else found.accepted


def _listed(audiences: Sequence[str]) -> str:
    shown = list(audiences[:8])
    return ", ".join(shown) + (f" and {len(audiences) - len(shown)} more" if len(audiences) > len(shown) else "")
