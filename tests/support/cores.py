"""Both cores, and short ways to speak to them.

The extension is imported here without a safety net: where it is missing, the tests fail and are not skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from gateway.fanout.base import ConnectionIdentity, FanoutCore, FanoutLimits, Membership, Submission
from gateway.fanout.native import NativeCore
from gateway.fanout.pure import PureCore
from gateway.types import ConnectionId, Room

if TYPE_CHECKING:
    from collections.abc import Sequence


class MakeCore(Protocol):
    """A core's constructor."""

    def __call__(self, limits: FanoutLimits = ...) -> FanoutCore:
        """A core with nobody in it."""
        ...


CORES: list[tuple[str, MakeCore]] = [("pure", PureCore), ("native", NativeCore)]

every_core = pytest.mark.parametrize("make_core", [pytest.param(make, id=name) for name, make in CORES])
"""Run a test, or with `pytestmark` a file, on each core; the test makes it with `make_core()`."""

UNLIMITED = FanoutLimits(max_broadcasts=0, max_broadcast_bytes=0, max_room_broadcasts=0)


def attach(
    core: FanoutCore, connection: int, rooms: dict[Room, Sequence[str]], *keys: str, label: bytes = b""
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Attach to rooms of one tenant; the audiences that became occupied, and vacated."""
    tenant = next(iter(rooms)).tenant
    identity = ConnectionIdentity(tenant, keys, label=label)
    occupancy = core.attach(ConnectionId(connection), memberships(rooms), identity)
    return occupancy.occupied, occupancy.vacated


def move(
    core: FanoutCore, connection: int, rooms: dict[Room, Sequence[str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Move to rooms; the audiences that became occupied, and vacated."""
    occupancy = core.move(ConnectionId(connection), memberships(rooms))
    return occupancy.occupied, occupancy.vacated


def leave(core: FanoutCore, connection: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Leave; the audiences that became occupied, and vacated."""
    occupancy = core.leave(ConnectionId(connection))
    return occupancy.occupied, occupancy.vacated


def memberships(rooms: dict[Room, Sequence[str]]) -> list[Membership]:
    """Memberships of these rooms and audiences."""
    return [Membership(room, tuple(audiences)) for room, audiences in rooms.items()]


def an_event(room: Room, *audiences: str, size: int = 1) -> Submission:
    """A best-effort event of so many bytes."""
    return Submission(room, audiences, b"x" * size)


def submit(core: FanoutCore, items: Sequence[tuple[Room, Sequence[str], int]]) -> list[int | None]:
    """Submit best-effort events, given as room, audiences and payload bytes; the core's answers."""
    return core.submit_many([an_event(room, *audiences, size=size) for room, audiences, size in items])


def ticket_of(core: FanoutCore, room: Room, *audiences: str, size: int = 1) -> int:
    """Submit one event that must get a ticket."""
    [ticket] = core.submit_many([an_event(room, *audiences, size=size)])
    assert ticket, f"expected a ticket, got {ticket!r}"
    return ticket


def reached(core: FanoutCore, ticket: int) -> list[int]:
    """A ticket's recipients, sorted; one who is named twice stands there twice."""
    return sorted(core.recipients(ticket))
