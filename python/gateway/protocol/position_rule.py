"""The one rule for positions: what comes after one, or that it is unknown.

A node's cursor, its periodic check and a client's resume all ask this one function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import BEGUN_AGAIN, ZERO, Position


class HistoryView(NamedTuple):
    """A room's history in one moment, as far as the rule needs it.

    Attributes:
        head: the room's last position; None for a room that has none.
        oldest: the oldest event that is kept.
        tail: events whose id is not below that of the position in question, oldest first; it may break off, but holds
            at least one event if there is one.
    """

    head: Position | None
    oldest: CriticalEvent | None
    tail: Sequence[CriticalEvent]


class HistoryPage(NamedTuple):
    """What comes after a position.

    Attributes:
        known: False: what has happened since cannot be told; `entries` is empty.
        entries: the events after the position, oldest first.
        more: there are more than were asked for.
        head: the room's last position at that moment (`ZERO` for a room that has none): what to adopt when `known`
            is False.
    """

    known: bool
    entries: tuple[CriticalEvent, ...]
    more: bool
    head: Position


def after(position: Position, view: HistoryView, limit: int) -> HistoryPage:
    """The events after a position, at most `limit`. Pure, thread-safe.

    A position is known if history holds exactly it, or the oldest event's `prev` is it, or the head is it. Never
    because it is "not newer than" something: after a failover ids say nothing about what a reader has seen. `ZERO` is
    known, and nothing is after it, only while the room has neither head nor history: whoever saw nothing yet cannot
    know whether what it sees now is the first.
    """
    head = view.head or ZERO
    entries = _known(position, view)
    if entries is None:
        return HistoryPage(known=False, entries=(), more=False, head=head)
    return HistoryPage(known=True, entries=tuple(entries[:limit]), more=len(entries) > limit, head=head)


def _known(position: Position, view: HistoryView) -> Sequence[CriticalEvent] | None:
    head, oldest, tail = view
    if position == ZERO:
        return () if head is None and oldest is None else None
    if head is None or position == BEGUN_AGAIN:
        # Without its head a room begins again with the next event, and nothing in its history can be relied on.
        return None
    if tail and tail[0].position == position:
        return tail[1:]
    if oldest is not None and oldest.prev == position:
        return tail
    if head == position:
        # History has expired or was evicted. An event after the head would be a contradiction.
        return None if tail else ()
    return None
