"""The critical way in: the relay from the source stream to the rooms' histories and live channels."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

from gateway.broker.streams_base import (
    DeadLetter,
    HistoryWriter,
    PendingEntry,
    RelayEntry,
    RelayResult,
    RoomBatch,
    SourceEntry,
    SourceStream,
)
from gateway.errors import BrokerError, LeaseLostError
from gateway.ingest.end_task import end_task
from gateway.ingest.relay_base import RelayNumbers, RelayObserver
from gateway.ingest.relay_sorting import SortedEntries, sort_entries
from gateway.protocol.positions import parse_id
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock, Room

FAILED: Final = "failed"
"""Reason of a dead letter that was tried alone as often as it may be; beside those of `protocol.events.DropReason`."""


_log = logging.getLogger("gateway.ingest")


class StreamConsumer:
    """One node's relay: active while it holds the lease, standing by otherwise.

    A consumer group hands each entry to one consumer, so nodes that all read it would each see a part. Therefore one
    node at a time relays: it writes each event into its room's history, under the source's own id, and publishes it on
    the room's live channel, where every node hears it. Any other node may take over at any step, because

    - every read looks at the lease in the same atomic step, so a node that was stopped reads nothing when it wakes;
    - all nodes use one consumer name, so what was read and not acknowledged is found by the successor;
    - writing a batch again changes nothing, and a batch that comes after the successor's is refused by its number;
    - at take-over the last minute of the source is fed again, since a failover may have cost Redis its last writes.

    `docs/concepts/delivery.md` gives the whole picture. The methods between the two rules below are the steps, each of
    them one request; fault tests override them.

    For one event loop; not thread-safe.

    Args:
        source: the stream; this relay's own.
        history: the rooms; over the same connection as the source, so that losing it ends the session.
        routing: which audiences an event reaches.
        node: names this node in the lease and in dead letters.
        breaker: of duty `relay`, the one that source and history are behind.
        jitter: the waits between sessions.
        observer: sees the counts.
        clock: `monotonic` paces trims, `time` stands in dead letters.
        numbers: see there.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    def __init__(
        self,
        source: SourceStream,
        history: HistoryWriter,
        routing: RoutingTable,
        *,
        node: str,
        breaker: CircuitBreaker,
        jitter: DecorrelatedJitter,
        observer: RelayObserver,
        clock: Clock,
        numbers: RelayNumbers | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._history = history
        self._routing = routing
        self._node = node
        self._breaker = breaker
        self._jitter = jitter
        self._observer = observer
        self._clock = clock
        self._numbers = numbers or RelayNumbers()
        self._sleep = sleep
        # Unguessable, so that no other process can hold a lease under this one's name.
        self._token = f"{node}:{secrets.token_hex(16)}"
        self._task: asyncio.Task[None] | None = None
        self._active = asyncio.Event()
        self._fence = 0
        self._had_group = False
        self._refeed_until = (0, 0)  # entries up to this id may have been relayed by a group that has vanished
        self._owed: set[str] = set()  # entries whose last try is to be taken back
        self._trim_at = 0.0
        self.lost_at_source = 0
        """Entries that vanished from the source before this node could relay them, since it started; for readiness."""
        self.lag: int | None = None
        """Entries that wait in the source, as of the last read; None when Redis cannot tell, or when standing by."""

    @property
    def active(self) -> bool:
        """Whether this node holds the lease, as far as it knows."""
        return self._active.is_set()

    async def start(self) -> None:
        """Begin, in the background; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="relay")

    async def wait_active(self) -> None:
        """Return when this node holds the lease; wrap it in a time-out."""
        await self._active.wait()

    async def stop(self, timeout: float = 5.0) -> None:
        """End within `timeout` seconds and give the lease up, so that another node takes over at once."""
        task, self._task = self._task, None
        if task is None:
            return
        deadline = asyncio.get_running_loop().time() + timeout
        if not await end_task(task, timeout):
            _log.warning("the relay did not stop in time", extra={"timeout": timeout})
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.1, deadline - asyncio.get_running_loop().time())):
                await self._source.release(self._token)
        await self._source.disconnect()

    # --- the loop over sessions ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except LeaseLostError as error:
                _log.warning("%s", error, extra={"node": self._node})
            except BrokerError as error:
                _log.warning("the relay waits for Redis: %s", error, extra={"duty": self._breaker.duty})
            except Exception:  # noqa: BLE001 - see below
                # A fault of ours. The entry behind it is pending; in the next session it is tried alone, and after some
                # tries it is put aside, so that those behind it go on.
                _log.exception("the relay failed and begins a new session")
            await self._sleep(max(self._jitter.next(), self._breaker.retry_after()))

    async def _session(self) -> None:
        """One connection, from connecting to its end; always ends by an exception."""
        try:
            await self._source.connect()
            while not await self.take_lease():
                await self._sleep(self._numbers.lease / 3)
            self._active.set()
            self._observer.on_lease(held=True)
            _log.info("this node is the relay", extra={"node": self._node, "fence": self._fence})
            await self._take_over()
            self._jitter.reset()
            done: Sequence[str] = ()
            while True:
                done = await self._turn(done)
        finally:
            if self._active.is_set():
                self._active.clear()
                self._observer.on_lease(held=False)
            self.lag = None
            await self._source.disconnect()

    async def _take_over(self) -> None:
        made = await self.ensure_group()
        pending = await self.list_pending()
        if not made:  # what came before a new group was never anybody's, or comes as new
            # What is pending comes next, alone: fed again with others it might take the whole process down each time,
            # before its tries could be counted.
            await self._feed_again({entry.entry_id for entry in pending})
        for entry in pending:
            await self._try_alone(entry)

    async def _turn(self, done: Sequence[str]) -> Sequence[str]:
        """Acknowledge what the last turn relayed, and relay one batch, or wait for one; what the next acknowledges."""
        entries, last = await self.read(done)
        if entries:
            # A group that was made anew at the stream's start brings what may be in its rooms, or have left them.
            refeed = parse_id(entries[0].entry_id) <= self._refeed_until
            await self._process(entries, refeed=refeed, tries=1)
        if self._clock.monotonic() >= self._trim_at:
            self._trim_at = self._clock.monotonic() + self._numbers.trim_every
            await self.trim()
        if not entries:
            await self.wait(last)
        # With the next read, in one round trip. Whatever is interrupted before that is found pending, and done again.
        return [entry.entry_id for entry in entries]

    async def _process(self, entries: Sequence[SourceEntry], *, refeed: bool = False, tries: int) -> None:
        batches, refused, vanished = sort_entries(entries, self._routing)
        self._lose(vanished)
        results = await self._write(batches, refeed=refeed)
        self._observer.on_relayed(sum(result.added for result in results), sum(result.repeats for result in results))
        if refused:
            now = self._clock.time()
            await self.bury(
                [DeadLetter(entry, error.reason, str(error), tries, self._node, now) for entry, error in refused]
            )

    async def _write(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        results = await self.write_rooms(batches, refeed=refeed)
        while (highest := max((result.stale or 0 for result in results), default=0)) > 0:
            # A later lease wrote there. Either it is another node's, and this raises LeaseLostError, or Redis lost
            # the counter's last values, and a number above all that rooms have seen makes it right.
            await self.raise_fence(highest)
            stale = [number for number, result in enumerate(results) if result.stale]
            again = await self.write_rooms([batches[number] for number in stale], refeed=refeed)
            for number, result in zip(stale, again, strict=True):
                results[number] = result
        if began := sum(result.began for result in results):
            self._observer.on_history_begun(began)
            _log.warning("histories of rooms were begun again: the source went back, or a head was lost")
        return results

    async def _feed_again(self, pending: Collection[str]) -> None:
        after: str | None = None
        buried: Collection[str] = ()
        strange: dict[Room, RelayEntry] = {}
        fed = added = 0
        while page := await self.read_recent(after):
            if after is None:
                # What had its tries must not be tried again by the back door.
                buried = await self._source.buried(page[0].entry_id)
            after = page[-1].entry_id
            entries = [entry for entry in page if entry.entry_id not in pending and entry.entry_id not in buried]
            # Refused entries have been in the dead-letter queue, and are not put there twice.
            sorted_entries: SortedEntries = sort_entries(entries, self._routing)
            results = await self._write(sorted_entries.batches, refeed=True)
            fed += len(entries)
            added += sum(result.added for result in results)
            for (room, fresh), result in zip(sorted_entries.batches, results, strict=True):
                strange.pop(room, None)
                if result.skipped == len(fresh):
                    strange[room] = fresh[-1]
        # Old events may have left history, but a room's last one cannot: where it is not held, history and source have
        # different pasts. Written like a new event it begins history again.
        rooms = [RoomBatch(room, [entry]) for room, entry in strange.items()]
        for start in range(0, len(rooms), self._numbers.batch):
            await self._write(rooms[start : start + self._numbers.batch], refeed=False)
        self._observer.on_refed(fed, added)

    async def _try_alone(self, pending: PendingEntry) -> None:
        entry = await self.claim(pending.entry_id)
        if entry is None:
            return
        tried = pending.deliveries - 1  # the first delivery was in a batch
        if entry.fields is not None and tried >= self._numbers.tries:
            error = f"it was tried alone {tried} times, and the relay did not survive it; the log says why"
            await self.bury([DeadLetter(entry, FAILED, error, tried, self._node, self._clock.time())])
            await self.acknowledge([entry.entry_id])
            return
        try:
            await self._process([entry], tries=pending.deliveries + 1)
            await self.acknowledge([entry.entry_id])
        except BrokerError:
            # Redis' fault is never the entry's. Remembered first: taking it back may fail for the same reason.
            self._owed.add(entry.entry_id)
            with suppress(BrokerError, LeaseLostError):
                await self._excuse_owed()
            raise

    async def _excuse_owed(self) -> None:
        for entry_id in sorted(self._owed):
            await self._source.excuse(self._token, entry_id)
            self._owed.discard(entry_id)

    def _lose(self, entries: int) -> None:
        if entries:
            self.lost_at_source += entries
            self._observer.on_lost_at_source(entries)
            _log.error(
                "critical events vanished from the source before they were relayed; no producer may trim it",
                extra={"entries": entries},
            )

    # --- the steps ----------------------------------------------------------------------------------------------

    async def take_lease(self) -> bool:
        """Take the lease, or keep it; whether this node has it."""
        number = await self._source.acquire(self._token)
        if number is None:
            self._had_group = True  # somebody else is the relay, so there is a group, which may vanish
            return False
        self._fence = number
        return True

    async def raise_fence(self, above: int) -> None:
        """Give this node's lease a number above another one.

        Raises:
            LeaseLostError: the lease is another node's.
        """
        self._fence = await self._source.raise_fence(self._token, above)

    async def ensure_group(self) -> bool:
        """Make sure that there is a group; whether it had to be made."""
        # A number above 1 says that there was a lease before, and so a group: if it has vanished, what was relayed is
        # not known.
        vanished = self._had_group or self._fence > 1
        end = await self._source.ensure_group(self._token, from_start=vanished or self._numbers.from_start)
        if end is not None and vanished:
            self._refeed_until = parse_id(end)
            _log.warning("the consumer group had vanished; the source is relayed from its start")
        self._had_group = True
        return end is not None

    async def list_pending(self) -> list[PendingEntry]:
        """What was delivered to anybody and not acknowledged."""
        await self._excuse_owed()
        pending, vanished = await self._source.pending(self._token)
        self._lose(vanished)
        return pending

    async def read_recent(self, after: str | None) -> list[SourceEntry]:
        """A page of what is fed again."""
        return await self._source.recent(self._token, self._numbers.refeed, after, self._numbers.batch)

    async def claim(self, entry_id: str) -> SourceEntry | None:
        """Try a pending entry."""
        return await self._source.claim(self._token, entry_id)

    async def read(self, done: Sequence[str]) -> tuple[list[SourceEntry], str]:
        """Acknowledge; new entries, and the id up to which the group has been given entries."""
        entries, last, self.lag, lost = await self._source.read(self._token, self._numbers.batch, done)
        self._lose(lost)
        self._observer.on_lag(self.lag)
        return entries, last

    async def write_rooms(self, batches: Sequence[RoomBatch], *, refeed: bool) -> list[RelayResult]:
        """Write and publish."""
        return await self._history.relay(batches, fence=self._fence, refeed=refeed)

    async def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Put entries aside."""
        if written := await self._source.bury(letters):
            for reason, count in Counter(letter.reason for letter in written).items():
                self._observer.on_dead_letter(reason, count)
            _log.warning("critical events went to the dead-letter queue", extra={"entries": len(written)})

    async def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """These are done, of those that were tried alone."""
        await self._source.acknowledge(entry_ids)

    async def trim(self) -> None:
        """Remove from the source what is old and done."""
        await self._source.trim(self._token, self._numbers.keep)

    async def wait(self, after: str) -> None:
        """Wait for an entry above an id, but not so long that the lease runs out."""
        await self._source.wait(after, self._numbers.lease / 3)
