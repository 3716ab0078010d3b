"""Ports of the live channels: what they ask of the fan-out, what hub asks of them, and what they tell telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol

from gateway.fanout.base import CoreStats, Submission
from gateway.ingest.base import IngestObserver
from gateway.protocol.positions import Position
from gateway.types import Room


class RepairCause(StrEnum):
    """Why a room was read from history."""

    LOST_MESSAGE = "lost_message"  # a live message came whose predecessor did not
    CHECK = "check"  # the room's head was not among what had come
    QUEUE_FULL = "queue_full"  # the fan-out had no permit for a critical event: the room was behind
    BACKLOG = "backlog"  # more came while the head was being read than is kept for that long


REPAIR_CAUSES: dict[RepairCause, str] = {
    RepairCause.LOST_MESSAGE: "a live message came whose predecessor did not",
    RepairCause.CHECK: "the room's last event in Redis was none that had come, as after a lost connection",
    RepairCause.QUEUE_FULL: "the node had no permit for a critical event, so the room fell behind",
    RepairCause.BACKLOG: "more came while the room's last position was being read than is kept for that long",
}
"""What each means, for the documentation."""


class RoomFanout(Protocol):
    """The part of the fan-out that live channels use. Every method is called on the event loop."""

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        """See `fanout.base.Fanout.submit_many`."""
        ...

    def announce(self, room: Room, text: str, position: Position) -> bool:
        """Tell every member of a room, whatever its audiences, behind all that was submitted for the room before.

        It has the place of a critical event in the room's order: what is submitted after it arrives after it, and
        `position` is the position of the room's members from here on.

        Returns:
            False: there is no permit for it; nothing was changed. It must be asked again, and nothing be submitted to
            the room before. True also where nobody is in the room.
        """
        ...

    def stats(self) -> CoreStats:
        """See `fanout.base.Fanout.stats`."""
        ...


class RoomInterest(Protocol):
    """What the hub asks; `LiveInterest` keeps it."""

    def hold(self, rooms: Sequence[Room]) -> AbstractAsyncContextManager[None]:
        """Keep rooms followed inside the block, entered once their live channels are confirmed and positions known.

        Raises:
            BrokerError: not in time.
        """
        ...

    def on_rooms(self, occupied: Sequence[Room], vacated: Sequence[Room]) -> None:
        """Follow the core: rooms that got their first member, and rooms that lost their last. Never raises."""
        ...

    def position(self, room: Room) -> Position | None:
        """Up to where the room has been submitted: the position of `welcome`. None for a room that is not followed."""
        ...


class LiveObserver(IngestObserver, Protocol):
    """Told of live channels beside the counts of every way in. Called on the event loop; must not block or raise."""

    def on_repair(self, cause: RepairCause) -> None:
        """A room is about to be read from history."""
        ...

    def on_gap(self) -> None:
        """The members of one room were told that a critical event may be missing."""
        ...

    def on_behind(self, rooms: int) -> None:
        """So many rooms wait for permits now."""
        ...
