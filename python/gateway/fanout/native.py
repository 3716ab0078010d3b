"""The core in Rust: the same promises as `pure.py`, an index that a crowd does not slow down, the GIL let go of.

The only file that knows the extension. It adds names to the extension's plain tuples, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gateway.errors import CoreMissingError
from gateway.fanout.base import (
    ConnectionIdentity,
    ConnectionInfo,
    CoreStats,
    FanoutLimits,
    Membership,
    Occupancy,
)
from gateway.types import ConnectionId, Room

try:
    from gateway import _fanout_core  # noqa: TID251 - the one place that may
except ImportError as error:
    raise CoreMissingError(
        f"the native core cannot be imported ({error}): build it with `make setup`, or set GATEWAY_FANOUT=pure"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence


class NativeCore:
    """Keeps `FanoutCore`; its methods may in fact be called from any thread, each being one step.

    Raises:
        ValueError: a limit is negative.
    """

    def __init__(self, limits: FanoutLimits = FanoutLimits()) -> None:  # noqa: B008 - frozen, so sharing is safe
        self._core = _fanout_core.Core(limits.max_broadcasts, limits.max_broadcast_bytes, limits.max_room_broadcasts)

    def attach(
        self, connection: ConnectionId, memberships: Sequence[Membership], identity: ConnectionIdentity
    ) -> Occupancy:
        """See `FanoutCore.attach`."""
        return _occupancy(
            self._core.attach(
                connection,
                memberships,
                identity.tenant,
                identity.keys,
                identity.expires_at,
                identity.label,
            )
        )

    def move(self, connection: ConnectionId, memberships: Sequence[Membership]) -> Occupancy:
        """See `FanoutCore.move`."""
        return _occupancy(self._core.move(connection, memberships))

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """See `FanoutCore.set_identity`."""
        self._core.set_identity(connection, identity.tenant, identity.keys, identity.expires_at, identity.label)

    def leave(self, connection: ConnectionId) -> Occupancy:
        """See `FanoutCore.leave`."""
        return _occupancy(self._core.leave(connection))

    def submit_many(self, items: Sequence[tuple[Room, Sequence[str], int]]) -> list[int | None]:
        """See `FanoutCore.submit_many`."""
        return self._core.submit_many(items)

    def recipients(self, ticket: int) -> list[ConnectionId]:
        """See `FanoutCore.recipients`."""
        return cast("list[ConnectionId]", self._core.recipients(ticket))

    def still_entitled(self, ticket: int, connection: ConnectionId) -> bool:
        """See `FanoutCore.still_entitled`."""
        return self._core.still_entitled(ticket, connection)

    def finish(self, ticket: int) -> None:
        """See `FanoutCore.finish`."""
        self._core.finish(ticket)

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """See `FanoutCore.info`."""
        return _info(self._core.info(connection))

    def count(self, tenant: int, key: str) -> int:
        """See `FanoutCore.count`."""
        return self._core.count(tenant, key)

    def find(self, tenant: int, key: str) -> list[ConnectionId]:
        """See `FanoutCore.find`."""
        return cast("list[ConnectionId]", self._core.find(tenant, key))

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """See `FanoutCore.list`."""
        page, following = self._core.list(tenant, cursor, limit)
        return [_info(fields) for fields in page], following

    def splice(self, payload: bytes, position: str) -> bytes:
        """See `FanoutCore.splice`."""
        return _fanout_core.splice(payload, position)

    def stats(self) -> CoreStats:
        """See `FanoutCore.stats`."""
        return CoreStats(*self._core.stats())


def _occupancy(change: tuple[list[str], list[str]]) -> Occupancy:
    occupied, vacated = change
    return Occupancy(tuple(occupied), tuple(vacated))


def _info(fields: _fanout_core._Info) -> ConnectionInfo:
    connection, tenant, keys, expires_at, label, memberships = fields
    return ConnectionInfo(
        ConnectionId(connection),
        ConnectionIdentity(tenant, keys, expires_at, label),
        tuple(Membership(Room(*room), audiences) for room, audiences in memberships),
    )
