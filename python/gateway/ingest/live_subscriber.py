"""The way in of critical events, and of those that come by the API: the live channels of the rooms of this node."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from gateway.broker.base import Broker, PubSubBatch, PubSubMessage
from gateway.broker.streams_base import RoomHistory
from gateway.errors import BrokerError
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.linked import LinkedSubscriber
from gateway.ingest.live_base import LiveObserver, RoomFanout
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.pace import WorkerPace
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.room_check import RoomCheck
from gateway.ingest.room_cursor import RoomCursor
from gateway.ingest.room_feed import SOURCE, RoomFeed
from gateway.ingest.room_repair import RoomRepair
from gateway.protocol.events import DropReason
from gateway.protocol.live import LiveMessage, decode_live
from gateway.resilience.jitter import DecorrelatedJitter

CHECK_SECONDS = 10.0
"""Between two comparisons of all cursors with their heads, on average."""

CHECK_SPREAD = 0.2
"""By how much, up or down, so that many nodes do not ask at the same moment."""

HEADS_SECONDS = (0.1, 2.0)
"""Shortest and longest wait after heads could not be read. Admissions wait for them, and give up after 5 s."""

_log = logging.getLogger("gateway.ingest")


class LiveSubscriber(LinkedSubscriber):
    """Keeps the live channels that `LiveInterest` asks for, and every room's cursor in step with history.

    A live message whose `prev` is the cursor is submitted; anything else is repaired from history. A lost connection
    therefore loses no critical event; for the best-effort events of the API it is an interruption like any other.

    For one event loop; not thread-safe.

    Args:
        broker: where the connection comes from.
        history: where rooms are read.
        interest: which rooms; nobody else may drive it.
        fanout: takes events and announcements.
        link: of duty `live`; its clock and its sleep serve for everything.
        drop_rate: is told how many best-effort events were dropped.
        observer: sees counts, repairs, gaps and rooms that are behind.
        uniform: draws a float between two bounds, for the time of the next check.
    """

    def __init__(
        self,
        broker: Broker,
        history: RoomHistory,
        interest: LiveInterest,
        fanout: RoomFanout,
        link: LinkOptions,
        *,
        drop_rate: EventDropRateTracker,
        observer: LiveObserver,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__("live-subscriber", broker, interest.channels, link)
        self._interest = interest
        self._observer = observer
        self._clock = link.clock
        self._sleep = link.sleep
        self._uniform = uniform
        self._pace = WorkerPace(fanout, link.clock)
        self._feed = RoomFeed(fanout, observer, drop_rate)
        self._repair = RoomRepair(history, fanout, self._feed, pace=self._pace, observer=observer, sleep=link.sleep)
        self._check = RoomCheck(history, self._feed, self._repair, on_adopted=interest.adopted, sleep=link.sleep)
        self._drop_rate = drop_rate
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def behind(self) -> int:
        """Rooms that wait for permits of the fan-out."""
        return self._repair.behind

    async def start(self) -> None:
        """Begin to connect, in the background; a second call does nothing."""
        await super().start()
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._begin_rooms(), name="live-begin"),
                asyncio.create_task(self._keep_time(), name="live-check"),
            ]

    async def stop(self, timeout: float = 5.0) -> None:
        """End the connection, waiting for at most `timeout` seconds, and every repair; no event is submitted after."""
        await super().stop(timeout)
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._repair.stop()

    # --- LinkListener -------------------------------------------------------------------------------------------

    async def on_batch(self, batch: PubSubBatch) -> None:
        """See `LinkListener.on_batch`."""
        self._interest.on_confirmed(batch.subscribed)
        if batch.lost:
            # A part of a cluster is what a connection is elsewhere. Its rooms are repaired once they are confirmed.
            self._observer.on_interruption()
        received = self._clock.time()
        await self._pace.in_batches(batch.messages, partial(self._pass_on, received=received))

    def on_live(self, outage: float | None) -> None:
        """See `LinkListener.on_live`."""
        if outage is not None:
            self._observer.on_reconnected(outage)

    def on_lost(self) -> None:
        """See `LinkListener.on_lost`."""
        self._observer.on_interruption()
        _log.warning(
            "the connection of the live channels was interrupted; critical events will be repaired from history, "
            "best-effort events of the API are lost until it is back",
            extra={"rooms": self._interest.rooms},
        )

    def _pass_on(self, messages: Sequence[PubSubMessage], received: float) -> None:
        decoded: list[tuple[RoomCursor, LiveMessage]] = []
        dropped = 0
        for channel, payload in messages:
            if (cursor := self._interest.cursor(channel)) is None:
                continue  # on its way when the room was left
            try:
                decoded.append((cursor, decode_live(payload)))
            except ValueError as error:
                # If it was a critical event, the next one or the check finds that it is missing.
                dropped += 1
                _log.warning("a live message cannot be read: %s", error, extra={"channel": channel})
        self._observer.on_received(SOURCE, len(decoded) + dropped)
        if dropped:
            self._observer.on_dropped(DropReason.BAD_SHAPE, dropped)
            self._drop_rate.record(dropped, Counter({DropReason.BAD_SHAPE: dropped}))
        for cursor, cause in self._feed.pass_on(decoded, received).items():
            self._repair.start(cursor, cause)

    # --- heads --------------------------------------------------------------------------------------------------

    async def _begin_rooms(self) -> None:
        """Read the heads of rooms as their subscriptions are confirmed: subscribe first, read second."""
        jitter = DecorrelatedJitter(*HEADS_SECONDS)
        failing = False  # so that an outage is two lines in the log, however often it is tried
        while True:
            cursors = await self._interest.due()
            try:
                await self._check.begin(cursors)
            except BrokerError as error:
                if not failing:
                    failing = True
                    _log.warning("the heads of %d rooms cannot be read, and are tried again: %s", len(cursors), error)
            except Exception:  # noqa: BLE001 - logged in full; without this task nobody would be let in any more
                _log.exception("reading the heads of rooms failed")
            else:
                jitter.reset()
                if failing:
                    failing = False
                    _log.info("the heads of rooms can be read again")
                continue
            await self._sleep(jitter.next())
            for cursor in cursors:
                self._interest.make_due(cursor)

    async def _keep_time(self) -> None:
        """Leave rooms that have lingered long enough, and compare all cursors with their heads now and then."""
        check_at = self._next_check()
        while True:
            # A room begins to linger for longer than the wait for a check, so a wait never has to be cut short.
            await self._sleep(max(0.0, min(check_at - self._clock.monotonic(), self._interest.seconds_to_expiry())))
            self._interest.expire()
            if self._clock.monotonic() < check_at:
                continue
            try:
                if cursors := self._interest.confirmed_cursors():
                    await self._check.look(cursors)
            except BrokerError as error:
                _log.warning("the cursors of rooms cannot be checked: %s", error)
            except Exception:  # noqa: BLE001 - logged in full; without this task quiet rooms would miss their last event
                _log.exception("checking the cursors of rooms failed")
            check_at = self._next_check()

    def _next_check(self) -> float:
        return self._clock.monotonic() + CHECK_SECONDS * self._uniform(1 - CHECK_SPREAD, 1 + CHECK_SPREAD)
