"""What a census shows, as it stands in JSON; and how the parts of several nodes are put together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec


class ConnectionView(msgspec.Struct, frozen=True):
    """One connection.

    Attributes:
        connection: its name, as in `welcome`: node and number.
        node: where it is.
        tenant: whose it is.
        subject: who is behind it: `user:12`, or of diners `session:77`.
        endpoint: `waiter`, `kitchen`, `admin` or `diner`; null where another application attached it.
        branches: the branches that it hears.
        audiences: the audiences that it is in.
        since: Unix seconds of its connect.
        expires_at: Unix seconds at which its token expires.
        outbox_bytes: bytes that wait for it; null where its reactor alone knows.
        positions: by branch, up to where critical events were passed to it; none while it is given history.
    """

    connection: str
    node: str
    tenant: int
    subject: str
    endpoint: str | None
    branches: list[int]
    audiences: list[str]
    since: int | None
    expires_at: float | None
    outbox_bytes: int | None
    positions: dict[str, str]


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """Connections of one node; `looked_up_to` is the number of the last one looked at, where the look ended early."""

    connections: list[ConnectionView]
    looked_up_to: int | None = None


class RoomView(msgspec.Struct, frozen=True):
    """One room that has members.

    Attributes:
        tenant: its tenant.
        branch: its branch.
        connections: how many are in it.
        audiences: how many are in each of its audiences; one connection may be in several.
        position: up to where the node has submitted it; null where it does not know yet.
    """

    tenant: int
    branch: int
    connections: int
    audiences: dict[str, int]
    position: str | None

    @property
    def key(self) -> tuple[int, int]:
        """Tenant and branch, which rooms are in the order of."""
        return self.tenant, self.branch


class RoomsFound(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rooms of one node; `is_cut` says that there would be more, and that these are much enough."""

    rooms: list[RoomView]
    is_cut: bool = False


class Group(msgspec.Struct, frozen=True):
    """Connections of one user or table session: how many by endpoint, and on which nodes."""

    endpoints: dict[str, int]
    nodes: tuple[str, ...]


class Presence(msgspec.Struct, frozen=True):
    """Who is in a room: users by subject, table sessions by number; `is_cut` says that there are more."""

    users: dict[str, Group]
    sessions: dict[int, Group]
    is_cut: bool = False


def merge_rooms(lists: Sequence[RoomsFound], limit: int) -> tuple[list[RoomView], bool]:
    """The first `limit` rooms of several nodes' lists, counted together; and whether there are more.

    Each list must be in order, begin where the others do, and hold more than `limit` rooms, all, or say that it is cut:
    nothing is shown then that the rest of it may hold too. A room's position is the first one that is known: nodes that
    are in step have the same.
    """
    merged: dict[tuple[int, int], RoomView] = {}
    for room in (room for found in lists for room in found.rooms):
        before = merged.get(room.key)
        merged[room.key] = room if before is None else _sum(before, room)
    ends = [found.rooms[-1].key for found in lists if found.is_cut]
    complete = sorted(key for key in merged if not ends or key <= min(ends))
    return [merged[key] for key in complete[:limit]], bool(ends) or len(complete) > limit


def merge_presence(parts: Iterable[Presence]) -> Presence:
    """Who is in a room on any of several nodes."""
    users: dict[str, Group] = {}
    sessions: dict[int, Group] = {}
    is_cut = False
    for part in parts:
        is_cut |= part.is_cut
        for subject, group in part.users.items():
            users[subject] = _join(users.get(subject), group)
        for session, group in part.sessions.items():
            sessions[session] = _join(sessions.get(session), group)
    return Presence(dict(sorted(users.items())), dict(sorted(sessions.items())), is_cut)


def _sum(one: RoomView, other: RoomView) -> RoomView:
    audiences = Counter(one.audiences) + Counter(other.audiences)
    return RoomView(
        one.tenant,
        one.branch,
        one.connections + other.connections,
        dict(sorted(audiences.items())),
        one.position or other.position,
    )


def _join(one: Group | None, other: Group) -> Group:
    if one is None:
        return other
    endpoints = Counter(one.endpoints) + Counter(other.endpoints)
    return Group(dict(endpoints), tuple(sorted({*one.nodes, *other.nodes})))
