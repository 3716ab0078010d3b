"""What a core refuses to take in. Every check raises before anything is changed.

The native core makes the same checks in the same order (`checks.rs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.fanout.base import MAX_LABEL_BYTES
from gateway.types import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.fanout.base import ConnectionIdentity, Membership
    from gateway.types import Room


def check_connection_id(connection: int) -> None:
    """Refuse an id that JavaScript could not hold, as `welcome` tells it; 0 is where `list` begins: nobody's."""
    if not 1 <= connection <= MAX_ID:
        raise ValueError(f"connection id {connection} is out of range; expected 1 to {MAX_ID}")


def check_room(room: Room) -> None:
    """Refuse a tenant or branch that is no id of product data."""
    tenant, branch = room
    if not (1 <= tenant <= MAX_ID and 1 <= branch <= MAX_ID):
        raise ValueError(f"room {tenant}/{branch} is out of range; tenant and branch are 1 to {MAX_ID}")


def check_identity(identity: ConnectionIdentity) -> None:
    """Refuse a tenant out of range, a label that is too long, a period that is none, a key that UTF-8 cannot hold."""
    if not 1 <= identity.tenant <= MAX_ID:
        raise ValueError(f"tenant {identity.tenant} is out of range; expected 1 to {MAX_ID}")
    if len(identity.label) > MAX_LABEL_BYTES:
        raise ValueError(f"label has {len(identity.label)} bytes; expected at most {MAX_LABEL_BYTES}")
    if identity.check_every is not None and not identity.check_every > 0:  # so that NaN is refused too
        raise ValueError("check_every is not a positive number of seconds; expected one, or None for never")
    for key in identity.keys:
        key.encode()  # a lone surrogate, which a token's JSON may hold, is a ValueError here


def check_memberships(memberships: Sequence[Membership], tenant: int) -> None:
    """Refuse memberships that are empty, ambiguous, or of another tenant than the connection's."""
    if not memberships:
        raise ValueError("the connection has no room; expected at least one")
    rooms: set[Room] = set()
    for room, audiences in memberships:
        check_room(room)
        name = f"room {room[0]}/{room[1]}"
        if room[0] != tenant:
            raise ValueError(f"{name} is not of tenant {tenant}; a connection stays inside its own tenant")
        if room in rooms:
            raise ValueError(f"{name} is named twice; expected one membership for each room")
        rooms.add(room)
        if not audiences:
            raise ValueError(f"{name} has no audience; expected at least one")
        if not all(audiences):
            raise ValueError(f"{name} has an audience with an empty name; expected a name like branch:5:kitchen")
        if len(set(audiences)) != len(audiences):
            raise ValueError(f"{name} names an audience twice; expected each once")
        for audience in audiences:
            audience.encode()
