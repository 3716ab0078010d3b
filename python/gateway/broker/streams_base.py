"""The ports of critical events: what relay and nodes ask of Redis' streams.

`redis_history.py` and `redis_source.py` keep them. Every method raises `errors.BrokerError` when the server is away,
refuses, or does not answer in time. All of it is for one event loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from gateway.protocol.live import CriticalEvent
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position
from gateway.types import Room

__all__ = [
    "CriticalEvent",
    "DeadLetter",
    "FencedRead",
    "HistoryPage",
    "HistoryWriter",
    "PendingEntry",
    "RelayEntry",
    "RelayResult",
    "RoomBatch",
    "RoomHistory",
    "SourceEntry",
    "SourceStream",
]

# --- reading rooms --------------------------------------------------------------------------------------------------


class RoomHistory(Protocol):
    """What every node reads of rooms."""

    async def heads(self, rooms: Sequence[Room]) -> list[Position | None]:
        """The last position of each room, in one round trip per server; None for a room that has none."""
        ...

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        """The events after a position, at most `limit`, oldest first, by the one rule (`position_rule.after`).

        Looked at in one moment, whatever is written meanwhile. The next page is the one after the last event's
        position, asked for in the same way: it may have become unknown.

        Raises:
            ValueError: `limit` is below 1, or the position is none.
        """
        ...

    async def kept(self, room: Room, limit: int) -> HistoryPage:
        """The oldest events that history keeps, at most `limit`. What was before them is not known.

        The next page is `after` the last event's position. Unknown is only a history that holds what no relay wrote.
        """
        ...


# --- writing rooms --------------------------------------------------------------------------------------------------


class RelayEntry(NamedTuple):
    """One source entry on its way into its room."""

    entry_id: str
    audiences: tuple[str, ...]
    payload: bytes


class RoomBatch(NamedTuple):
    """Entries of one room, in the order of the source."""

    room: Room
    entries: Sequence[RelayEntry]


class RelayResult(NamedTuple):
    """What became of a batch.

    Attributes:
        added: entries that are new to the room's history and were published.
        repeats: entries that were there already.
        skipped: entries of a re-feed that are older than what history keeps.
        began: how many times history was begun again, because the source went back or the head was lost.
        stale: None, or the higher number of a later lease that has written to the room: nothing was written.
    """

    added: int
    repeats: int
    skipped: int
    began: int
    stale: int | None


class HistoryWriter(Protocol):
    """What the relay alone writes to rooms."""

    async def relay(self, batches: Sequence[RoomBatch], *, fence: int, refeed: bool) -> list[RelayResult]:
        """Write and publish a batch for each room, each room at most once in the call; one answer per batch.

        A room's batch is atomic and may be repeated. The batches are not one transaction: after an error each of them
        has been written or not.

        Args:
            batches: of different rooms; empty batches are allowed.
            fence: the number of the caller's lease.
            refeed: entries older than what a room's history keeps are skipped.
        """
        ...


# --- the source -----------------------------------------------------------------------------------------------------


class SourceEntry(NamedTuple):
    """One entry of the source stream; `fields` is None when the entry is pending but no longer in the stream."""

    entry_id: str
    fields: Mapping[bytes, bytes] | None


class PendingEntry(NamedTuple):
    """An entry that was delivered and not acknowledged.

    Attributes:
        entry_id: its id.
        deliveries: how many times it was delivered: once in a batch, and each time that it was tried alone.
    """

    entry_id: str
    deliveries: int


class FencedRead(NamedTuple):
    """New entries, and what the stream looks like.

    Attributes:
        entries: delivered to the relay by this read, oldest first.
        last_delivered: the id up to which the group has been given entries.
        lag: entries that wait to be delivered; None when Redis cannot tell.
        lost: entries that vanished from the stream before they were delivered, noticed by this read.
    """

    entries: list[SourceEntry]
    last_delivered: str
    lag: int | None
    lost: int


class DeadLetter(NamedTuple):
    """A source entry that cannot be delivered, and why.

    Attributes:
        entry: as it stood in the source.
        reason: a `protocol.events.DropReason`, or `failed`: it was tried alone as often as it may be.
        error: the same in a sentence.
        tries: how many times it was delivered.
        node: who gave up.
        time: Unix seconds.
    """

    entry: SourceEntry
    reason: str
    error: str
    tries: int
    node: str
    time: float


class SourceStream(Protocol):
    """The source stream, its group, the relay's lease and the dead-letter queue.

    A method that takes a lease's `token` looks at the lease and extends it in one atomic step with what it does, and
    raises `errors.LeaseLostError`, with nothing done, when the lease is not the token's. Nothing depends on a stalled
    process noticing that it was replaced.
    """

    async def connect(self) -> None:
        """Begin a session: connect anew. From here on a lost connection is an error, never silently made again."""
        ...

    async def disconnect(self) -> None:
        """End the session; never raises."""
        ...

    async def acquire(self, token: str) -> int | None:
        """Take the lease, or keep it when it is the token's: its number; None when somebody else has it.

        Numbers go up with every grant (M. Kleppmann, *How to do distributed locking*, 2016: fencing tokens).
        """
        ...

    async def raise_fence(self, token: str, above: int) -> int:
        """Give the lease a number above another one: Redis lost the counter's last values (a failover)."""
        ...

    async def release(self, token: str) -> None:
        """Give the lease up, if it is the token's; never raises."""
        ...

    async def ensure_group(self, token: str, *, from_start: bool) -> str | None:
        """Make sure that stream and group exist; the stream's last id when the group had to be made, else None.

        A new group begins at the stream's end, or at its start.
        """
        ...

    async def pending(self, token: str) -> tuple[list[PendingEntry], int]:
        """Take over what any other consumer name holds, and list everything pending, in the order of ids.

        The second value counts entries that other names held and that are no longer in the stream.
        """
        ...

    async def claim(self, token: str, entry_id: str) -> SourceEntry | None:
        """Deliver one pending entry alone, which counts as a try; None when it is not pending any more."""
        ...

    async def excuse(self, token: str, entry_id: str) -> None:
        """Take back the last try of an entry: it failed for Redis' sake, not its own."""
        ...

    async def read(self, token: str, count: int, done: Sequence[str] = ()) -> FencedRead:
        """Acknowledge what the read before gave, and deliver at most `count` new entries, without waiting.

        Args:
            token: whose lease is looked at: without it neither is done.
            count: bounds this read.
            done: ids of entries that are relayed; at most as many as one read gives.

        Raises:
            LeaseLostError: the lease is not the token's.
            BrokerError: the server is away, refuses, or does not answer in time; or replicas do not have what is done.
        """
        ...

    async def wait(self, after: str, seconds: float) -> None:
        """Return when there is an entry above the id `after`, or after some seconds. Consumes nothing."""
        ...

    async def recent(self, token: str, seconds: float, after: str | None, count: int) -> list[SourceEntry]:
        """At most `count` entries of the stream's last `seconds`, of those that were delivered before, oldest first.

        `after` is the last id of the page before; None for the first page. An empty page is the end.
        """
        ...

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """These are done; of those that `read` gave, its next call says so."""
        ...

    async def bury(self, letters: Sequence[DeadLetter]) -> Sequence[DeadLetter]:
        """Put pending entries aside in the dead-letter queue; the letters that were written.

        On one server that acknowledges them too, in one step, and what is not pending any more gets no second letter.
        In a cluster letters are written at least once: a relay that stops before it acknowledges writes them again.
        """
        ...

    async def buried(self, since: str) -> frozenset[str]:
        """Source ids of the letters that were written since the time of the id `since`."""
        ...

    async def trim(self, token: str, keep_seconds: float) -> int:
        """Remove what is older than `keep_seconds`, delivered and acknowledged; how many entries."""
        ...
