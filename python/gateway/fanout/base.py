"""The fan-out port: what a core promises, whoever implements it.

It speaks of rooms, audiences, messages (text or a close code) and connections; never of frames or threads.
Two cores keep it, `pure.py` (the specification) and `native.py` (Rust), and one list of contract tests and
property tests runs on both.

The promises
============

1.  *One order.* All calls of a core come from one thread, the event loop's; the order of those calls is the
    order of the room. Two events of a room reach every connection in the order of their `submit_many`.
2.  *Exactly its audience.* An event reaches a connection only if, when it was submitted, the connection was in
    one of the event's audiences in that room, and has been in it ever since until the event was passed to it.
3.  *Once.* However many of the event's audiences a connection is in, it gets the event once.
4.  *Leave means nothing more.* After `leave`, `close` or the loss of an audience by `move`, nothing that rested on it
    is written to the connection's outbox, though it was submitted before.
5.  *All or nothing.* A submit either takes its permits and reaches every recipient's outbox, or touches nobody.
6.  *Tenants never meet.* The tenant is part of the room's key and of every identity key.
7.  *A position counts what was passed.* Each owner of connections has one position for each room in which it has a
    member: that of the last critical event that it has passed to all of its members whom it reaches. `pong` shows it,
    behind those events. It may lag behind what a member has got, and is never ahead of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from gateway.fanout.measures import NOBODY, Measures, Reach, WatchedCount
from gateway.types import ConnectionId, Room

MAX_BROADCASTS = 5_000
"""Broadcasts accepted and not yet passed to all their recipients, on the whole node (the seed's queue)."""

MAX_BROADCAST_BYTES = 64 * 1024 * 1024
"""Payload bytes of those broadcasts, on the whole node."""

MAX_ROOM_BROADCASTS = 500
"""The same count for one room, so that a noisy room is full before the node is."""

MAX_LABEL_BYTES = 128
"""What a connection's owner keeps beside it, uninterpreted."""

OUTBOX_BYTES = 1024 * 1024
"""What may wait for one slow connection before events are dropped for it."""

NODE_OUTBOX_BYTES = 256 * 1024 * 1024
"""What may wait for all connections together before the largest outboxes are closed."""


class Membership(NamedTuple):
    """The audiences of one room that a connection is in."""

    room: Room
    audiences: tuple[str, ...]


class Submission(NamedTuple):
    """One event for some audiences of one room.

    `payload` is UTF-8 JSON of an object, checked at the edge. `position` is None for a best-effort event, which
    goes out byte for byte; a critical event's is `<id>/<hash>`, and id and position are spliced in front.

    `origin` is when it began, in Unix seconds: at its producer where that is known, else when this node received it;
    None where nobody measures it. `source` names the way in, for observers alone.
    """

    room: Room
    audiences: tuple[str, ...]
    payload: bytes
    position: str | None = None
    origin: float | None = None
    source: str = ""

    @property
    def event_id(self) -> str | None:
        """A critical event's id; None of a best-effort event."""
        return None if self.position is None else self.position.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ConnectionIdentity:
    """What a core knows of who is behind a connection.

    Attributes:
        tenant: the tenant; `keys` have meaning inside it alone.
        keys: names by which the connection can be counted and closed: `user:12`, `session:77`, `jti:…`.
        expires_at: Unix seconds at which the core itself closes the connection with 4001; None for never.
        label: at most `MAX_LABEL_BYTES` bytes, kept and given back uninterpreted.
        check_every: seconds between two `DueNotice`s for the connection, to the millisecond; None for never. The first
            comes after half of that to the whole, by the connection's id, so that those who came together are not
            checked together. A period over 49 days may be never.
    """

    tenant: int
    keys: tuple[str, ...] = ()
    expires_at: float | None = None
    label: bytes = b""
    check_every: float | None = None


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What a core says of one connection."""

    connection: ConnectionId
    identity: ConnectionIdentity
    memberships: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Audiences and rooms that got their first member, or lost their last, by one change of the index.

    An audience is counted once per room and per owner of connections: two tenants' `branch:5:kitchen` are two, and so
    are those of the event loop and of a reactor. Who listens counts how many are occupied; both are the same to it.
    A room is counted once per owner likewise.
    """

    occupied: tuple[str, ...] = ()
    vacated: tuple[str, ...] = ()
    rooms_occupied: tuple[Room, ...] = ()
    rooms_vacated: tuple[Room, ...] = ()


@dataclass(frozen=True, slots=True)
class SocketStats:
    """What the reactors of a core with native sockets have counted since start, and gauges.

    Reactors call no observer, since that would be Python for every recipient: who exports metrics reads these.

    Attributes:
        dropped: best-effort events dropped for slow clients, those thrown away with a close (1013) among them.
        slow_closes: connections closed with 1013.
        frames_in: WebSocket frames from clients.
        pings: heartbeats among them that were answered without Python.
        messages: messages among them that Python was asked to answer.
        rate_limited: connections closed with 4029 for their message rate.
        sends: system calls that sent.
        bytes_out: bytes that they sent.
        sockets: sockets held now, those that are closing among them.
        outbox_bytes: bytes that wait in all outboxes of the node now.
        lag_micros: the longest that a reactor let its mailbox wait since this was last read.
    """

    dropped: int
    slow_closes: int
    frames_in: int
    pings: int
    messages: int
    rate_limited: int
    sends: int
    bytes_out: int
    sockets: int
    outbox_bytes: int
    lag_micros: int


@dataclass(frozen=True, slots=True)
class CoreStats:
    """Counters since start and gauges, read at any time from any thread; `sockets` where the core owns some."""

    connections: int
    rooms: int
    broadcasts_in_flight: int
    bytes_in_flight: int
    submitted: int
    refused: int
    sockets: SocketStats | None = None


class FanoutCore(Protocol):
    """Directory, index and permits: the part that has a native twin.

    The ASGI owner drives it: `submit_many` gives a ticket for every event that has somebody of its to reach,
    `recipients` says whom, `finish` gives the permit back. A core with native sockets passes events to those by itself.

    All methods may be called from one thread only (promise 1), except `stats`, which any thread may call.
    """

    def attach(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """Enter a connection. Events submitted before this call are not for it.

        `positions` says, by branch, up to where each of its rooms has been submitted. The owner takes a room's where
        the connection is its first member there, or where it has none yet and no event of the room is under way; else
        it has one that events under way bring there, or will have with the next critical event.

        Raises:
            ValueError: an id is in use or out of range (1 to `types.MAX_ID`), a room is another tenant's, there is
                no room or a room has no audience, a room or one of its audiences is named twice, a name is empty
                or not UTF-8, the label is too long, `check_every` is not positive, or a position is neither `0-0` nor
                one that `splice` takes; nothing was changed.
        """
        ...

    def move(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        positions: Mapping[int, str] | None = None,
    ) -> Occupancy:
        """Replace a connection's rooms and audiences in one step.

        What stays keeps its place in the order; what is new begins now; what is gone takes with it even what was
        submitted before. `positions` are as for `attach`, for the rooms that are new to the connection.

        Raises:
            KeyError: no such connection; nothing was changed.
            ValueError: as for `attach`; nothing was changed.
        """
        ...

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """Replace who is behind a connection (a refreshed token).

        Raises:
            KeyError: no such connection.
            ValueError: another tenant, a label too long, or a period that is none; nothing was changed.
        """
        ...

    def leave(self, connection: ConnectionId) -> Occupancy:
        """Remove a connection; one that is not there changes nothing."""
        ...

    def submit_many(self, items: Sequence[Submission], watch: Sequence[int] = ()) -> list[int | None]:
        """Admit events; one answer per item, in order.

        `watch` has a number for each item from the first on: where it is not 0, and the item is accepted, `reports`
        says under that number what became of it.

        A positive number is a ticket: the event loop has members to look at, and holds the event's permits until
        `finish`. 0 says accepted, and nothing to do for the event loop: nobody is in the room, and no permit is held,
        or only native sockets are. None says refused: no permit was free, or an earlier item of the same room in this
        batch was refused, since order would break.

        Raises:
            ValueError: a room is out of range, or a position cannot be spliced into its payload (see `splice`); no item
                was admitted.
        """
        ...

    def announce(self, room: Room, text: str, position: str) -> int | None:
        """Admit a message of the gateway's own for every member of a room, whatever its audiences.

        It has the place of a critical event in the room's order, and its permit. A member stays one when a move takes
        all its audiences in the room and gives it others there.

        Returns:
            as `submit_many` for one event.

        Raises:
            ValueError: the room is out of range, the text is not Unicode, or the position is malformed (see `attach`).
        """
        ...

    def recipients(self, ticket: int) -> list[ConnectionId]:
        """Whom a ticket's event reaches now, each once, in no particular order (promises 2 to 4).

        Raises:
            KeyError: no such ticket.
        """
        ...

    def still_entitled(self, ticket: int, connection: ConnectionId) -> bool:
        """Whether a connection is, now, still one of the ticket's recipients; for a job cut between recipients.

        Raises:
            KeyError: no such ticket.
        """
        ...

    def finish(self, ticket: int, *, passed: bool = True, reach: Reach = NOBODY) -> None:
        """Give the ticket's permits back. `reach` says whom the event loop has passed it to.

        With `passed` its position, if it has one, is the event loop's position in the room from here on. Say False of
        an event that was thrown away: a position that counted it would hide it from a resume.

        Raises:
            KeyError: no such ticket, or finished already.
        """
        ...

    def reports(self) -> list[WatchedCount]:
        """What became of watched events that have come to their end since the last call. Each comes once."""
        ...

    def measures(self) -> Measures:
        """Histograms of all events that were passed. Any thread."""
        ...

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        """The positions of a connection's rooms, by branch, where its owner has one; none when it is not there."""
        ...

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """Identity, rooms and audiences of one connection, rooms and audiences as they were given.

        Raises:
            KeyError: no such connection.
        """
        ...

    def count(self, tenant: int, key: str) -> int:
        """How many connections carry this identity key."""
        ...

    def find(self, tenant: int | None, key: str) -> list[ConnectionId]:
        """The connections that carry this identity key in a tenant, or in any (None), oldest first.

        None is for keys that are the same in all tenants, as a token's id is; it costs a look for each tenant.
        """
        ...

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """Connections with an id above `cursor`, oldest first, at most `limit`; and the next cursor, 0 at the end.

        Oldest means the smallest id.

        Raises:
            ValueError: `limit` is below 1.
        """
        ...

    def splice(self, payload: bytes, position: str) -> bytes:
        """Put `event_id` and `position` in front of the members of a JSON object.

        `position` is `<id>/<hash>`, of characters that JSON needs not escape; `event_id` is the part before the slash.

        Raises:
            ValueError: the payload does not begin, after white space, with an opening brace, or the position is
                malformed.
        """
        ...

    def stats(self) -> CoreStats:
        """Counters and gauges. Any thread."""
        ...


class PageEntry(NamedTuple):
    """A message of a page: a critical event, or a text of the gateway's own (without a position, sent as it is)."""

    payload: bytes
    position: str | None


class AsgiSocket(Protocol):
    """The two ASGI callables of an accepted WebSocket; Starlette's `WebSocket` offers both."""

    async def receive(self) -> Any:
        """The next ASGI message."""
        ...

    async def send(self, message: Any) -> None:
        """Send one ASGI message; returns when the server has taken it, which a slow client may put off for long."""
        ...


class DetachedSocket(NamedTuple):
    """A connected WebSocket that has left its server; whoever takes it must close `fd`.

    Attributes:
        fd: the descriptor of a connected stream socket, non-blocking, close-on-exec, with nothing left to be written
            for the server.
        early: what the client sent and the server has read already; it comes before what `fd` will give.
    """

    fd: int
    early: bytes


@runtime_checkable
class DetachableSocket(Protocol):
    """An accepted WebSocket that its server can give away; `gateway.server.handoff` offers it."""

    def detach(self) -> DetachedSocket:
        """Take the socket out of the server. From here on the caller owns it.

        Raises:
            ConnectionGoneError: the server lost it in the meantime.
        """
        ...


# --- what Python is told -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClosedNotice:
    """A connection is gone; nothing more will be said of it. `code` is the close code sent or received."""

    connection: ConnectionId
    code: int
    identity: ConnectionIdentity


@dataclass(frozen=True, slots=True)
class MessageNotice:
    """A client's message that Python must answer (by `Fanout.answer`); until then the client is not read."""

    connection: ConnectionId
    text: str


@dataclass(frozen=True, slots=True)
class DueNotice:
    """Connections whose `check_every` has passed: whether they may still be here is to be checked. Never empty.

    One of them may have left meanwhile. All that an owner finds due at one time come in one notice.
    """

    connections: tuple[ConnectionId, ...]


@dataclass(frozen=True, slots=True)
class PageNotice:
    """A resuming connection has taken all that it was given (see `Fanout.page`): its next page is wanted."""

    connection: ConnectionId


Notice = ClosedNotice | MessageNotice | DueNotice | PageNotice


class FanoutListener(Protocol):
    """Who is told. All calls come on the event loop, and never from inside a call of `Fanout`."""

    def on_notices(self, notices: Sequence[Notice]) -> None:
        """What happened since the last call, in order. Must not block and must not raise."""
        ...

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Audiences and rooms that became occupied or vacant; subscriptions follow it."""
        ...


class BroadcastReport(NamedTuple):
    """What became of one event on this node.

    Attributes:
        event: as it was submitted.
        reach: whom it was passed to. Nobody, where nobody was in the room or in its audiences.
        seconds: from its acceptance until it was written to the last recipient, or put into the outbox of one who could
            not take it at once.
        accepted: Unix seconds of its acceptance.
    """

    event: Submission
    reach: Reach
    seconds: float
    accepted: float


class BroadcastObserver(Protocol):
    """Through which metrics, logs and traces see broadcasts (the seed's name).

    Called on the event loop; must not block and must not raise. `on_dropped`, `on_overflow` and `on_client_message`
    tell of ASGI connections alone. Reactors call nobody: they count, see `SocketStats`; but a message of their clients
    that Python answers is told here too. What is counted of every event is the core's, see `Fanout.measures`: an
    observer costs something for the events that it watches only.
    """

    def watches(self, event: Submission) -> bool:
        """Whether `on_passed` is wanted for an event that is about to be submitted. Asked for each: must be quick."""
        ...

    def on_passed(self, report: BroadcastReport) -> None:
        """A watched event, accepted, has been passed to all its recipients on this node, whoever owns them."""
        ...

    def on_dropped(self, events: int) -> None:
        """Best-effort events that had been passed to a connection were thrown away.

        It is slow, and a `gap` stands in their place or it was closed in place of them (1013); or it ended while it
        was resuming, and they were held for it.
        """
        ...

    def on_overflow(self) -> None:
        """A connection was closed with 1013: it, or all together, were too slow."""
        ...

    def on_client_message(self, kind: str) -> None:
        """A client sent a message: `ping`, `control` (Python answers it) or `rate_limited`."""
        ...


@dataclass(frozen=True, slots=True)
class FanoutLimits:
    """The numbers a core holds connections and broadcasts to; 0 is unlimited for the three of broadcasts."""

    max_broadcasts: int = MAX_BROADCASTS
    max_broadcast_bytes: int = MAX_BROADCAST_BYTES
    max_room_broadcasts: int = MAX_ROOM_BROADCASTS
    outbox_bytes: int = OUTBOX_BYTES
    node_outbox_bytes: int = NODE_OUTBOX_BYTES
    message_rate: int = 20  # messages a second and burst; 0 is unlimited
    max_message_bytes: int = 65_536  # of a client's message, in UTF-8
    heartbeat_timeout: float = 60.0  # seconds of silence before 1001
    workers: int = 10  # asyncio workers of the ASGI owner


class Fanout(Protocol):
    """A whole core with its owners, as hub and ingest see it.

    Every method is called on the event loop's thread. `attach` and `submit_many` share one order, the caller's.
    """

    name: str
    """`pure` or `native`, for logs and metrics."""

    takes_sockets: bool
    """Whether `attach` takes a `DetachableSocket`; where it does not, the ASGI way is the only one."""

    async def start(self) -> None:
        """Start the workers and the time-keeper; call once, on the loop that everything else is called on."""
        ...

    async def stop(self, timeout: float) -> None:
        """Pass what was accepted, for at most `timeout` seconds, close everybody with 1001, stop the workers."""
        ...

    def attach(
        self,
        socket: AsgiSocket | DetachableSocket,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        welcome: Callable[[ConnectionId], str] | None = None,
        positions: Mapping[int, str] | None = None,
        *,
        resuming: bool = False,
    ) -> ConnectionId:
        """Take over an accepted WebSocket; `welcome(id)` gives the first message in its outbox.

        `positions` are up to where its rooms have been submitted, see `FanoutCore.attach`. With `resuming` it is not
        live yet: history comes first, see `page`.
        A detachable one leaves its server here, and the endpoint may return: it is not to be served.

        Raises:
            ValueError: see `FanoutCore.attach`. A detachable socket is closed.
            ConnectionGoneError: the server has lost the detachable socket; nobody was attached.
        """
        ...

    def refuse(self, socket: DetachableSocket, code: int) -> None:
        """Close an accepted WebSocket that never becomes a connection: it gets its close frame, and is drained.

        Raises:
            ConnectionGoneError: the server has lost it.
        """
        ...

    async def serve(self, connection: ConnectionId) -> int:
        """Read and write the ASGI connection until it has ended; returns the close code.

        Cancelling it closes with 1001. Native sockets are not served: reactors do that.
        """
        ...

    def move(
        self,
        connection: ConnectionId,
        memberships: Sequence[Membership],
        positions: Mapping[int, str] | None = None,
    ) -> None:
        """See `FanoutCore.move`.

        Raises:
            ConnectionGoneError: no such connection.
        """
        ...

    def set_identity(self, connection: ConnectionId, identity: ConnectionIdentity) -> None:
        """See `FanoutCore.set_identity`; `expires_at` counts from now on, and checks begin anew.

        Raises:
            ConnectionGoneError: no such connection.
        """
        ...

    def positions(self, connection: ConnectionId) -> dict[int, str]:
        """See `FanoutCore.positions`: what the operator's reports say of a connection.

        None of a connection that is resuming.
        """
        ...

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        """Who is behind a connection, and the rooms and audiences that it is in.

        Raises:
            ConnectionGoneError: no such connection.
        """
        ...

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        """Admit events; never blocks. One answer per item, in order; False is the drop reason `queue_full`."""
        ...

    def announce(self, room: Room, text: str, position: str) -> bool:
        """Tell every member of a room, whatever its audiences, behind all that was submitted for the room before.

        It has the place of a critical event in the room's order: what is submitted after it arrives after it, and
        `position` is the position of the room's members from here on. It is never dropped from an outbox.

        Returns:
            False: there is no permit for it; nothing was changed. It must be asked again, and nothing be submitted to
            the room before. True also where nobody is in the room.

        Raises:
            ValueError: see `FanoutCore.announce`.
        """
        ...

    def send(self, connection: ConnectionId, text: str) -> bool:
        """Put one message into a connection's outbox, behind what is there; False when it has left."""
        ...

    def answer(self, connection: ConnectionId, text: str | None) -> bool:
        """Answer the connection's open `MessageNotice` (None: without a message); the client is read again."""
        ...

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        """Give a connection that was attached as resuming the next of its history; False when it has left.

        Until the last page all that is submitted for it, and all that is sent or answered to it, is *held*: it counts
        like what is in its outbox (bounds, `gap`, 1013), and follows the last page in its order. So history ends where
        the rooms stood at `attach`, and nothing is missed and nothing comes twice. What is held has been passed: a
        later `move` does not take it away. A `pong` alone is not held, lest the client take a long resume for a dead
        server; it carries no positions then, since no room's position counts for the connection yet. A close throws
        away what is held.

        A resume has no deadline of its own, since only the caller knows what it waits for: close what takes too long.

        After every page but the last, and not before the client's side has taken all of it, one `PageNotice` asks for
        the next. An empty page that is not the last is noticed at once.

        Raises:
            ValueError: the connection is live, a page is being taken already, an entry cannot be spliced (see
                `FanoutCore.splice`) or is not UTF-8; nothing was given.
        """
        ...

    def close(self, connection: ConnectionId, code: int) -> bool:
        """Close with a code, behind what is in the outbox; no event joins it any more. False when it has left."""
        ...

    def close_where(self, tenant: int, key: str, code: int) -> int:
        """Close every connection that carries an identity key; how many those were."""
        ...

    def count(self, tenant: int, key: str) -> int:
        """How many connections carry an identity key."""
        ...

    def find(self, tenant: int | None, key: str) -> list[ConnectionId]:
        """See `FanoutCore.find`."""
        ...

    def list(self, tenant: int | None = None, cursor: int = 0, limit: int = 100) -> tuple[list[ConnectionInfo], int]:
        """See `FanoutCore.list`."""
        ...

    def stats(self) -> CoreStats:
        """See `FanoutCore.stats`. Any thread."""
        ...

    def measures(self) -> Measures:
        """See `FanoutCore.measures`. Any thread."""
        ...

    def waiting(self, connection: ConnectionId) -> int | None:
        """Bytes that wait for a connection; None where a reactor alone knows, or it has left."""
        ...

    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes of the node. Any thread."""
        ...


class NullObserver:
    """Observes nothing."""

    def watches(self, event: Submission) -> bool:  # noqa: ARG002 - see the port
        """See `BroadcastObserver`."""
        return False

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`."""

    def on_overflow(self) -> None:
        """See `BroadcastObserver`."""

    def on_dropped(self, events: int) -> None:
        """See `BroadcastObserver`."""

    def on_client_message(self, kind: str) -> None:
        """See `BroadcastObserver`."""
