"""What can be resumed: from a client's position to where the node's cursor of the room stands.

How it is decided, for one branch
=================================

*P* is the position that the client brought: it has all that it was entitled to up to P, and nothing after it. *C* is
the node's cursor of the room at `attach`: everything after C is submitted later, so the core holds it for the
connection. What has to be handed over is therefore the chain of events from P, exclusive, to C, inclusive; no more,
which would come twice, and no less.

1.  P *is* C: nothing.
2.  The node's ring leads from P to C, event by event, each one's `prev` the one before: those. Ring and cursor are
    looked at in the step of the loop that attaches, so neither can move in between.
3.  Else history is asked. P unknown by the one rule: not resumed, and told so.
4.  P and C both known: both stand in one history, whose ids only go up, so the smaller id came first. (Everywhere else
    ids are never compared. The two questions are two moments; should history have been begun anew in between, the
    comparison means nothing, and step 5 finds that out.) P before C: `replay.py` reads from P.
5.  A replay ends when it has handed over C itself: history is a chain, so what it gave is then exactly what lies
    between the two. If history ends, or forgets where the replay is, before C was met, the client is told by a `gap`.
    That the answer of step 4 was wrong can thus lose nothing in silence.
6.  C before P, or C unknown: the client was served by a node that is further on, or this node has missed that history
    was begun anew. Nothing that has been read helps: what the core would hold begins with events that the client has.
    But the node is about to come past P, by a live message that is on its way or by a repair, which is asked for when
    it takes longer. So it is waited for, and looked at again from step 1; if it is not settled in time: not resumed.

Where a client has seen an event that the other side of a failover has lost, its position is unknown (3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.ingest.resume_base import PAGE_BYTES, ResumeOutcome
from gateway.ingest.room_cursor import RoomCursor
from gateway.ingest.shared_reads import FIRST_READ, SharedReads
from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import Position, entry_id, parse_id
from gateway.types import Room

KEPT_BYTES: Final = 4 * PAGE_BYTES
"""Payload that a plan keeps from the ring or a first read; what is more is read from history when its turn comes."""


class AskedBranch(NamedTuple):
    """A branch to be resumed.

    Attributes:
        cursor: the node's, of the room.
        audiences: the connection's, in the room.
        position: what the client brought.
    """

    cursor: RoomCursor
    audiences: frozenset[str]
    position: Position


@dataclass(frozen=True, slots=True)
class Leg:
    """One room's part of what is handed over.

    Attributes:
        room: whose.
        events: those for the connection among the first of the chain.
        position: the last event that was looked at; reading goes on behind it.
        target: the event with which the leg ends.
        outcome: what it is counted as when it has ended well.
    """

    room: Room
    events: tuple[CriticalEvent, ...]
    position: Position
    target: Position
    outcome: ResumeOutcome

    @property
    def whole(self) -> bool:
        """Whether nothing has to be read."""
        return self.position == self.target

    @property
    def size(self) -> int:
        """Payload bytes of `events`."""
        return sum(len(event.payload) for event in self.events)


class Standing(NamedTuple):
    """What history said of a client's position.

    Attributes:
        known: whether the client's position is known, and before the node's.
        first: the first events after it.
    """

    known: bool
    first: tuple[CriticalEvent, ...] = ()


UNKNOWN: Final = Standing(known=False)


def leg_of(asked: AskedBranch, standing: Standing | None, room_left: int) -> Leg | Standing | None:
    """Decide for one branch, by what the node remembers and history has said. Steps 1 to 4; no I/O.

    Args:
        asked: the branch.
        standing: what history said; None when it was not asked yet, or could not settle it.
        room_left: payload bytes that may be kept for it.

    Returns:
        the leg; `UNKNOWN`; or None: history has to be asked.
    """
    cursor, _, position = asked
    target = cursor.position
    if target is None:
        raise RuntimeError(f"{cursor.room} is resumed before its head is known")
    if position == target:
        return Leg(cursor.room, (), target, target, ResumeOutcome.RING)
    remembered = cursor.ring.after(position)
    if remembered is not None and _leads(remembered, position, target):
        return _leg(asked, remembered, target, room_left, ResumeOutcome.RING)
    if standing is None or not standing.known:
        return standing
    return _leg(asked, standing.first, target, room_left, ResumeOutcome.HISTORY)


async def standing_of(asked: AskedBranch, reads: SharedReads) -> Standing | None:
    """Ask history, steps 3 and 4; None where it must be waited for (step 6).

    Raises:
        BrokerError: history cannot be read.
    """
    cursor, _, position = asked
    page = await reads.after(cursor.room, position, FIRST_READ)
    if not page.known:
        return UNKNOWN
    behind = Standing(known=True, first=page.entries)
    target = cursor.position
    if target is None or any(event.position == target for event in page.entries):
        return behind if target else None
    node = await reads.after(cursor.room, target, 1)
    return behind if node.known and _number(position) < _number(target) else None


def _leg(
    asked: AskedBranch, events: Sequence[CriticalEvent], target: Position, room_left: int, outcome: ResumeOutcome
) -> Leg:
    position = asked.position
    kept: list[CriticalEvent] = []
    for event in events:
        if not asked.audiences.isdisjoint(event.audiences):
            room_left -= len(event.payload)
            if room_left < 0:
                return Leg(asked.cursor.room, tuple(kept), position, target, ResumeOutcome.HISTORY)
            kept.append(event)
        position = event.position
        if position == target:
            break
    return Leg(asked.cursor.room, tuple(kept), position, target, outcome)


def _leads(events: Sequence[CriticalEvent], position: Position, target: Position) -> bool:
    """Whether these events are a chain from a position to another one.

    A ring is one, but while events that were refused and taken back have left others between them; then history is
    asked.
    """
    for event in events:
        if event.prev != position:
            return False
        position = event.position
    return position == target


def _number(position: Position) -> tuple[int, int]:
    return parse_id(entry_id(position))
