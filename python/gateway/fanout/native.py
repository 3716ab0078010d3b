"""The core in Rust: the same promises as `pure.py`, an index that a crowd does not slow down, the GIL let go of.

The only file that knows the extension. It adds names to the extension's plain tuples, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from gateway.errors import CoreMissingError
from gateway.fanout.base import (
    ClosedNotice,
    ConnectionIdentity,
    ConnectionInfo,
    CoreStats,
    DueNotice,
    FanoutLimits,
    Membership,
    Occupancy,
    PageNotice,
    SocketStats,
)
from gateway.fanout.measures import NOBODY, Counted, Measures, Reach, WatchedCount
from gateway.types import ConnectionId, Room

try:
    from gateway import _fanout_core  # noqa: TID251 - the one place that may
except ImportError as error:
    raise CoreMissingError(
        f"the native core cannot be imported ({error}): build it with `make setup`, or set GATEWAY_FANOUT=pure"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.fanout.base import DetachedSocket, PageEntry, Submission


_MICROS = 1_000_000
"""So many make a second."""


class Said(NamedTuple):
    """What a client said, for Python to answer."""

    connection: ConnectionId
    message: str | bytes


class Reached(NamedTuple):
    """All reactors have come as far as they were asked to under this number."""

    number: int


class Reports(NamedTuple):
    """There are reports of watched events to take."""


SocketNotice = Reports | Occupancy | Said | ClosedNotice | DueNotice | PageNotice | Reached
"""What reactors tell."""


class NativeCore:
    """Keeps `FanoutCore`; its methods may in fact be called from any thread, each being one step.

    Raises:
        ValueError: a limit is negative, or so many reactors cannot be.
        OSError: the system has no descriptors or threads for the reactors.
    """

    def __init__(
        self,
        limits: FanoutLimits = FanoutLimits(),  # noqa: B008 - frozen, so sharing is safe
        reactors: int = 0,
        *,
        all_messages: bool = False,
        clock: tuple[float, float] | None = None,
    ) -> None:
        """With `reactors` the core owns sockets too, see `native_sockets.py`; their threads start here.

        Args:
            limits: what broadcasts and connections are held to.
            reactors: threads, 0 to 63.
            all_messages: every message of a client becomes a notice, heartbeats and binary ones too: for an echo.
            clock: a clock that stands still until `advance` moves it: monotonic and Unix seconds; None for the
                machine's. Without reactors it is asked for what is measured alone.
        """
        self._core = _fanout_core.Core(limits, reactors, all_messages, clock)

    def attach(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """See `FanoutCore.attach`."""
        return _occupancy(
            self._core.attach(
                connection,
                memberships,
                _identity(identity),
                tuple((positions or {}).items()),
            )
        )

    def move(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """See `FanoutCore.move`."""
        return _occupancy(self._core.move(connection, memberships, tuple((positions or {}).items())))

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """See `FanoutCore.set_identity`."""
        self._core.set_identity(connection, _identity(identity))

    def leave(self, connection: ConnectionId) -> Occupancy:
        """See `FanoutCore.leave`."""
        return _occupancy(self._core.leave(connection))

    def submit_many(self, items: Sequence[Submission], watch: Sequence[int] = ()) -> list[int | None]:
        """See `FanoutCore.submit_many`."""
        return self._core.submit_many(items, watch)

    def announce(self, room: Room, text: str, position: str) -> int | None:
        """See `FanoutCore.announce`."""
        return self._core.announce(room, text, position)

    def recipients(self, ticket: int) -> list[ConnectionId]:
        """See `FanoutCore.recipients`."""
        return cast("list[ConnectionId]", self._core.recipients(ticket))

    def still_entitled(self, ticket: int, connection: ConnectionId) -> bool:
        """See `FanoutCore.still_entitled`."""
        return self._core.still_entitled(ticket, connection)

    def finish(self, ticket: int, *, passed: bool = True, reach: Reach = NOBODY) -> None:
        """See `FanoutCore.finish`."""
        self._core.finish(ticket, reach if passed else None)

    def reports(self) -> list[WatchedCount]:
        """See `FanoutCore.reports`."""
        return [
            WatchedCount(number, Reach(matched, queued, lost), micros / _MICROS)
            for number, matched, queued, lost, micros in self._core.reports()
        ]

    def measures(self) -> Measures:
        """See `FanoutCore.measures`."""
        found = {name: (bounds, counts, total) for name, bounds, counts, total in self._core.measures()}
        return Measures(
            _counted(found["passing"], _MICROS), _counted(found["end_to_end"], _MICROS), _counted(found["audience"], 1)
        )

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        """See `FanoutCore.positions`. None of a reactor's connection that is resuming."""
        return dict(self._core.positions(connection))

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """See `FanoutCore.info`."""
        return _info(self._core.info(connection))

    def count(self, tenant: int, key: str) -> int:
        """See `FanoutCore.count`."""
        return self._core.count(tenant, key)

    def find(self, tenant: int | None, key: str) -> list[ConnectionId]:
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
        counted = self._core.socket_stats()
        return CoreStats(*self._core.stats(), None if counted is None else SocketStats(**counted))

    # --- sockets; what is for one connection says None when no reactor owns it ---------------------------------

    def adopt(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        socket: DetachedSocket,
        first: str | None,
        *,
        positions: Mapping[int, str] | None = None,
        resuming: bool = False,
    ) -> None:
        """Attach a socket, which gets the text `first` before all else; occupancy is told by a notice.

        The core owns the descriptor from this call on, and closes it when it raises.

        Raises:
            ValueError: see `FanoutCore.attach`; or the core has no reactors.
        """
        self._core.adopt(
            connection,
            memberships,
            _identity(identity),
            socket.fd,
            socket.early,
            first,
            tuple((positions or {}).items()),
            resuming,
        )

    def refuse(self, fd: int, code: int, reason: str) -> None:
        """Close a socket that never becomes a connection.

        Raises:
            ValueError: no such code can be sent, or the core has no reactors. The descriptor is closed all the same.
        """
        self._core.refuse(fd, code, reason)

    def send(self, connection: ConnectionId, text: str) -> bool | None:
        """See `Fanout.send`."""
        return self._core.send(connection, text)

    def answer(self, connection: ConnectionId, answer: str | bytes | None) -> bool | None:
        """See `Fanout.answer`; bytes are sent as a binary message."""
        if isinstance(answer, bytes):
            return self._core.answer_binary(connection, answer)
        return self._core.answer(connection, answer)

    def answer_ping(self, connection: ConnectionId) -> bool | None:
        """Say that what a client said is a heartbeat: its reactor answers it."""
        return self._core.answer_ping(connection)

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool | None:
        """See `Fanout.page`.

        Raises:
            ValueError: see there.
        """
        return self._core.page(connection, entries, last)

    def close(self, connection: ConnectionId, code: int, reason: str) -> bool | None:
        """See `Fanout.close`.

        Raises:
            ValueError: no such code can be sent.
        """
        return self._core.close(connection, code, reason)

    def close_all(self, code: int) -> None:
        """Close everybody whom reactors own."""
        self._core.close_all(code)

    @property
    def notice_fd(self) -> int | None:
        """A descriptor that is readable while there are notices. It stays the core's."""
        return self._core.notice_fd()

    def notices(self) -> Sequence[SocketNotice]:
        """What happened since the last call, in order."""
        return [_notice(told) for told in self._core.notices()]

    def tell_when(self, number: int, *, empty: bool) -> None:
        """Have a `Reached` with this number.

        It comes when reactors have passed all that was submitted before; if `empty`, when they have no sockets left.
        """
        self._core.tell_when(number, empty)

    def settle(self, timeout: float) -> bool:
        """Wait until reactors are at rest; False when it takes longer than so many seconds. For tests."""
        return self._core.settle(timeout)

    def hold(self) -> None:
        """Have all reactors stand still until `release`; returns when they do. For tests."""
        self._core.hold()

    def release(self) -> None:
        """Let reactors go on. For tests."""
        self._core.release()

    def advance(self, monotonic: float, wall: float) -> None:
        """Move the manual clock, to monotonic and Unix seconds. For tests."""
        self._core.advance(monotonic, wall)

    def charge(self, delta: int) -> None:
        """So many bytes more, or fewer, wait in the event loop's outboxes: they share the node's budget."""
        self._core.charge(delta)

    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes of the node."""
        return self._core.outbox_bytes()

    def stop(self) -> None:
        """End the reactors' threads; who is still there is cut off. Waits for them: some milliseconds."""
        self._core.stop()


def _identity(identity: ConnectionIdentity) -> _fanout_core._Identity:
    return identity.tenant, identity.keys, identity.expires_at, identity.label, identity.check_every


def _occupancy(change: _fanout_core._Occupancy) -> Occupancy:
    occupied, vacated, rooms_occupied, rooms_vacated = change
    return Occupancy(
        tuple(occupied),
        tuple(vacated),
        tuple(Room(*room) for room in rooms_occupied),
        tuple(Room(*room) for room in rooms_vacated),
    )


def _counted(found: tuple[Sequence[int], Sequence[int], int], unit: float) -> Counted:
    bounds, counts, total = found
    return Counted(tuple(bound / unit for bound in bounds), tuple(counts), total / unit)


def _notice(told: _fanout_core._Notice) -> SocketNotice:
    notice: SocketNotice
    match told:
        case ("occupancy", *_):
            notice = _occupancy(told[1:])
        case ("message", connection, message):
            notice = Said(ConnectionId(connection), message)
        case ("reached", number):
            notice = Reached(number)
        case ("page", connection):
            notice = PageNotice(ConnectionId(connection))
        case ("due", connections):
            notice = DueNotice(tuple(ConnectionId(connection) for connection in connections))
        case ("closed", connection, code, identity):
            notice = ClosedNotice(ConnectionId(connection), code, ConnectionIdentity(*identity))
        case _:
            notice = Reports()
    return notice


def _info(fields: _fanout_core._Info) -> ConnectionInfo:
    connection, identity, memberships = fields
    return ConnectionInfo(
        ConnectionId(connection),
        ConnectionIdentity(*identity),
        tuple(Membership(Room(*room), audiences) for room, audiences in memberships),
    )
