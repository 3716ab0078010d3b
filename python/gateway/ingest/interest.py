"""Which channels this node needs, and which of them Redis has confirmed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from gateway.broker.base import PubSubBatch, PubSubConnection
from gateway.errors import BrokerError
from gateway.fanout.base import Occupancy

CHANNELS_PER_COMMAND = 1_000
"""Redis serves nobody else while it works through one command; a thousand channels are about a millisecond."""

_log = logging.getLogger("gateway.ingest")


class Interest:
    """The channels that this node must be subscribed to: those held for an admission, and those occupied.

    Membership changes first (`hold`, `on_occupancy`); commands follow, at most one of each kind per turn of the loop
    (`follow`), computed at the moment of writing. So joins and leaves that cancel each other cost nothing.

    A channel counts as confirmed when the last command about it on *this* connection was a subscription and no answer
    is outstanding: when SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE are under way, the first confirmation proves nothing.

    For one event loop; not thread-safe. Who uses it: the hub holds, the fan-out core reports occupancy, and the
    subscriber alone calls `begin`, `resubscribe`, `follow`, `confirm` and `lost`.

    Args:
        patterns: where given, these patterns are subscribed once and for all, and occupancy changes nothing.
        sharded: the channels are sharded ones (`SSUBSCRIBE`); there are no sharded patterns.
        timeout: seconds that `hold` waits for a confirmation.

    Raises:
        ValueError: both `patterns` and `sharded`.
    """

    def __init__(self, *, patterns: Sequence[str] = (), sharded: bool = False, timeout: float = 5.0) -> None:
        if patterns and sharded:
            raise ValueError("sharded channels cannot be subscribed by pattern; give their names by occupancy")
        self._patterns = tuple(patterns)
        self._sharded = sharded
        self._timeout = timeout
        self._held: Counter[str] = Counter()
        self._occupied: Counter[str] = Counter()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        # Of the current connection only:
        self._asked: set[str] = set()  # the last command written about the channel was a subscription
        self._unanswered: Counter[str] = Counter()  # commands written about the channel, not answered yet
        self._changed: set[str] = set()  # channels to look at before the next write
        self._wake = asyncio.Event()

    @property
    def wanted(self) -> int:
        """How many channels, or patterns, the node needs."""
        return len(self._all_wanted())

    @property
    def confirmed(self) -> int:
        """How many of them Redis has confirmed on the current connection."""
        return sum(map(self.is_confirmed, self._all_wanted()))

    def is_confirmed(self, name: str) -> bool:
        """Whether everything that is published on this channel from now on will come, while the connection lives."""
        return name in self._asked and name not in self._unanswered

    # --- what the node needs ------------------------------------------------------------------------------------

    @contextmanager
    def asking_for(self, channels: Iterable[str]) -> Iterator[None]:
        """Ask for the subscription of channels, and keep it inside the block; nothing is waited for."""
        names = self._names(channels)
        self._count(self._held, names, 1)
        try:
            yield
        finally:
            self._count(self._held, names, -1)

    @asynccontextmanager
    async def hold(self, channels: Iterable[str]) -> AsyncIterator[None]:
        """Keep channels subscribed while a connection is admitted; the block runs once all are confirmed.

        Leave the block only when the core has the connection: from then on its occupancy keeps the channels. Nothing
        that is published after the block began is missed while the connection to Redis lives.

        Raises:
            BrokerError: no confirmation within `timeout` seconds. Nothing stays held then, nor after a cancellation.
        """
        names = self._names(channels)
        with self.asking_for(names):
            try:
                async with asyncio.timeout(self._timeout):
                    await self._all_confirmed(names)
            except TimeoutError:
                raise BrokerError(
                    f"Redis did not confirm the subscription of {len(names)} channels within {self._timeout:g} s; "
                    "see the log for the state of the connection"
                ) from None
            yield

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Follow the core: audiences are channels, counted once per room. Never raises."""
        if self._patterns:
            return
        # Occupied first: one change may do both to a name (another room's channel of the same name).
        self._count(self._occupied, occupancy.occupied, 1)
        self._count(self._occupied, occupancy.vacated, -1)

    # --- what the connection says -------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new connection is there: nothing is subscribed on it yet, everything wanted has to be."""
        self._asked.clear()
        self._unanswered.clear()
        self._changed = set(self._all_wanted())
        self._wake.set()

    def lost(self) -> None:
        """The connection is gone, and every confirmation with it."""
        self._asked.clear()
        self._unanswered.clear()

    async def resubscribe(self, connection: PubSubConnection) -> None:
        """Write what is needed now. Raises what the connection raises (`BrokerError`)."""
        while self._changed:
            names = [self._changed.pop() for _ in range(min(len(self._changed), CHANNELS_PER_COMMAND))]
            await self._subscribe(connection, names)
            await self._unsubscribe(connection, names)

    async def follow(self, connection: PubSubConnection) -> None:
        """Write subscriptions as the need changes, until cancelled. Raises what the connection raises."""
        while True:
            await self._wake.wait()
            # One more turn: whatever else changes in this one goes into the same command, and the occupancy of a
            # connection that was just attached arrives before its hold is judged to be over.
            await asyncio.sleep(0)
            self._wake.clear()
            await self.resubscribe(connection)

    def confirm(self, batch: PubSubBatch) -> None:
        """Take note of the confirmations that a read brought, and of what was lost: that is asked for again."""
        for name in batch.lost:
            del self._unanswered[name]  # a Counter: no error where it is not in it
            self._asked.discard(name)
            if self._is_wanted(name):
                self._changed.add(name)
                self._wake.set()
        for name in batch.unsubscribed:
            self._answered(name)
        for name in batch.subscribed:
            self._answered(name)
            if self.is_confirmed(name):
                for waiter in self._waiting.pop(name, ()):
                    if not waiter.done():
                        waiter.set_result(None)

    # --- inside -------------------------------------------------------------------------------------------------

    def _all_wanted(self) -> Collection[str]:
        return self._patterns or (self._held.keys() | self._occupied.keys())

    def _is_wanted(self, name: str) -> bool:
        return name in self._held or name in self._occupied or name in self._patterns

    def _names(self, channels: Iterable[str]) -> tuple[str, ...]:
        return self._patterns or tuple(dict.fromkeys(channels))

    def _count(self, counter: Counter[str], names: Iterable[str], by: int) -> None:
        for name in names:
            count = counter[name] + by
            if count > 0:
                counter[name] = count
            else:
                del counter[name]
            if count < 0:
                # The core keeps this from happening; a channel too many or too few must not end the node.
                _log.error("an audience was vacated that was not occupied", extra={"channel": name})
            if self._is_wanted(name) != (name in self._asked):
                self._changed.add(name)
                self._wake.set()

    def _answered(self, name: str) -> None:
        left = self._unanswered[name] - 1
        if left > 0:
            self._unanswered[name] = left
        else:
            del self._unanswered[name]

    async def _subscribe(self, connection: PubSubConnection, names: Sequence[str]) -> None:
        names = [name for name in names if self._is_wanted(name) and name not in self._asked]
        if not names:
            return
        # Marked before the await: the command is written before the coroutine first waits, and its answer may be
        # read while it does.
        self._asked.update(names)
        self._unanswered.update(names)
        if self._patterns:
            await connection.psubscribe(names)
        elif self._sharded:
            await connection.ssubscribe(names)
        else:
            await connection.subscribe(names)

    async def _unsubscribe(self, connection: PubSubConnection, names: Sequence[str]) -> None:
        # Looked at only now, after the await of `_subscribe`: a hold may have come back for one of them, and found it
        # confirmed.
        names = [name for name in names if not self._is_wanted(name) and name in self._asked]
        if not names:
            return
        self._asked.difference_update(names)
        self._unanswered.update(names)
        if self._sharded:
            await connection.sunsubscribe(names)
        else:
            await connection.unsubscribe(names)

    async def _all_confirmed(self, names: Sequence[str]) -> None:
        # Looked at again from the start after every wait: a reconnect takes earlier confirmations back.
        while missing := next((name for name in names if not self.is_confirmed(name)), None):
            waiter = asyncio.get_running_loop().create_future()
            waiters = self._waiting.setdefault(missing, [])
            waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in waiters:  # cancelled: nobody has taken it out of the list
                    waiters.remove(waiter)
                    if not waiters and self._waiting.get(missing) is waiters:
                        del self._waiting[missing]
