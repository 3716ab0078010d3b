"""The best-effort way in: from Redis Pub/Sub into the fan-out core."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from gateway.broker.base import Broker, PubSubConnection, PubSubMessage
from gateway.errors import BrokerError, EventRefusedError
from gateway.fanout.base import MAX_ROOM_BROADCASTS, Fanout, Submission
from gateway.ingest.base import IngestObserver
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.protocol.audiences import parse_channel
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import BreakerState, CircuitBreaker, Permit
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock

SOURCE = "pubsub"
"""How this way in is called in metrics."""

BATCH_EVENTS = MAX_ROOM_BROADCASTS // 2
"""Events submitted before the workers have a turn: half of what one room may have under way."""

PATIENCE_SECONDS = 0.005
"""Longest wait for the workers after a batch. At some 30 KB a batch Redis is still read at several MB/s then, and its
32 MB for a slow subscriber last through any burst that a node can serve at all."""

CANCEL_AGAIN_SECONDS = 0.5
"""Between two attempts to end the task."""

_log = logging.getLogger("gateway.ingest")


class RedisSubscriber:
    """Keeps one Pub/Sub connection alive, subscribed to what `Interest` asks for, and submits what it brings.

    A connection is *live* once Redis has answered a ping that was sent behind all subscriptions. Losing a live
    connection is one interruption: Pub/Sub keeps nothing, so how many events were missed cannot be known. Attempts
    that never became live belong to the same interruption.

    For one event loop; not thread-safe.

    Args:
        broker: where connections come from.
        interest: which channels; nobody else may drive it.
        routing: which audiences an event on a channel reaches.
        fanout: takes the events, once per batch.
        breaker: of duty `pubsub`, this subscriber's own.
        jitter: the waits between attempts.
        drop_rate: is told how many events were dropped.
        observer: sees the counts.
        clock: `monotonic` is used, for the length of an outage.
        ping_interval: seconds of silence after which Redis is pinged; the same again without a word is a cut.
        answer_timeout: seconds that a new connection has for its first answers.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    def __init__(
        self,
        broker: Broker,
        interest: Interest,
        routing: RoutingTable,
        fanout: Fanout,
        *,
        breaker: CircuitBreaker,
        jitter: DecorrelatedJitter,
        drop_rate: EventDropRateTracker,
        observer: IngestObserver,
        clock: Clock,
        ping_interval: float = 15.0,
        answer_timeout: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._broker = broker
        self._interest = interest
        self._routing = routing
        self._fanout = fanout
        self._breaker = breaker
        self._jitter = jitter
        self._drop_rate = drop_rate
        self._observer = observer
        self._clock = clock
        self._ping_interval = ping_interval
        self._answer_timeout = answer_timeout
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None
        self._permit: Permit  # of the attempt, or the trial, that is under way
        self._live = asyncio.Event()
        self._lost_at: float | None = None  # when the last live connection ended, until the next one is live

    @property
    def live(self) -> bool:
        """Whether the connection stands and Redis has answered on it; for readiness."""
        return self._live.is_set()

    async def start(self) -> None:
        """Begin to connect, in the background; a second call does nothing. `wait_live` says when it is done."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis-subscriber")

    async def wait_live(self) -> None:
        """Return when the connection is live; wrap it in a time-out."""
        await self._live.wait()

    async def stop(self, timeout: float = 5.0) -> None:
        """End the connection, waiting for at most `timeout` seconds; what was read has been submitted."""
        task, self._task = self._task, None
        if task is None:
            return
        deadline = asyncio.get_running_loop().time() + timeout
        while not task.done() and asyncio.get_running_loop().time() < deadline:
            # More than once: before Python 3.12 `wait_for`, which the client library uses, may swallow a cancellation
            # that meets the end of what it waits for.
            task.cancel()
            await asyncio.wait({task}, timeout=min(timeout, CANCEL_AGAIN_SECONDS))
        if not task.done():
            _log.warning("the Redis subscriber did not stop in time", extra={"timeout": timeout})

    # --- the loop over connections ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                await self._session()
            except BrokerError as error:
                reason = str(error)
                _log.warning("Redis Pub/Sub is away: %s", reason, extra={"duty": self._breaker.duty})
            except Exception:  # noqa: BLE001 - see below
                # A fault of ours in one session must not end the way in for good: it is logged in full, and the next
                # connection begins afresh.
                _log.exception("the Redis subscriber failed and connects anew")
            finally:
                self._end_live()
            await self._sleep(max(self._jitter.next(), self._breaker.retry_after()))

    async def _session(self) -> None:
        """One connection, from connecting to its end; always ends by an exception."""
        self._permit = self._breaker.acquire()
        try:
            connection = await self._broker.pubsub()
            try:
                await self._serve(connection)
            finally:
                self._interest.lost()
                await connection.close()
        except BrokerError:
            self._permit.fail()  # does nothing once the connection was live: losing it is no failed attempt
            raise
        finally:
            self._permit.release()

    async def _serve(self, connection: PubSubConnection) -> None:
        self._interest.begin()
        try:
            async with asyncio.TaskGroup() as tasks:
                # Side by side: Redis answers every SUBSCRIBE, and a reader that waited for the last of very many
                # would let those answers pile up until Redis cuts the connection.
                tasks.create_task(self._write(connection))
                tasks.create_task(self._read(connection))
        except ExceptionGroup as errors:
            # Reader and writer fail of the same cause, the end of the connection: one of them speaks for both.
            # Anything else is a fault of ours, and is passed on whole.
            if isinstance(error := errors.exceptions[0], BrokerError):
                raise error from None
            raise

    async def _write(self, connection: PubSubConnection) -> None:
        await self._interest.resubscribe(connection)
        # Redis answers in order: the answer to this says that every subscription above is confirmed.
        await connection.ping()
        await self._interest.follow(connection)

    async def _read(self, connection: PubSubConnection) -> None:
        pinged = False
        while True:
            try:
                async with asyncio.timeout(self._ping_interval if self.live else self._answer_timeout):
                    batch = await connection.read()
            except TimeoutError:
                if not self.live:
                    raise BrokerError(f"no answer within {self._answer_timeout:g} s of connecting") from None
                if pinged:
                    raise BrokerError(f"no answer to a ping within {self._ping_interval:g} s") from None
                await connection.ping()
                pinged = True
                continue
            pinged = False
            self._interest.confirm(batch)
            for start in range(0, len(batch.messages), BATCH_EVENTS):
                self._pass_on(batch.messages[start : start + BATCH_EVENTS])
                await self._let_workers_run()
            if batch.pongs:
                self._permit.succeed()
                self._begin_live()
                if self._breaker.state is BreakerState.HALF_OPEN:
                    # The breaker wants more than one success, and a connection that lasts would give no other.
                    self._permit = self._breaker.acquire()
                    await connection.ping()
            # A read that finds bytes waiting does not yield: under a flood the sockets need their turn too.
            await asyncio.sleep(0)

    async def _let_workers_run(self) -> None:
        """Give the workers of this loop a turn, and a few more while they are far behind.

        Without it one read of small events could take all permits of a room at once, and the rest of a burst that
        everybody could have had would be refused. It is bounded, because who reads Redis too slowly is cut off by it.
        """
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        await asyncio.sleep(0)
        # Polled: who is far behind is about to run, and an event for "no longer far behind" would cost every broadcast.
        while (  # noqa: ASYNC110
            self._fanout.stats().broadcasts_in_flight > BATCH_EVENTS and self._clock.monotonic() < deadline
        ):
            await asyncio.sleep(0)

    # --- live or not --------------------------------------------------------------------------------------------

    def _begin_live(self) -> None:
        if self.live:
            return
        self._live.set()
        self._jitter.reset()
        channels = self._interest.wanted
        if self._lost_at is None:
            _log.info("Redis Pub/Sub is connected", extra={"channels": channels})
            return
        seconds = self._clock.monotonic() - self._lost_at
        self._lost_at = None
        self._observer.on_reconnected(seconds)
        _log.info("Redis Pub/Sub is back", extra={"seconds": round(seconds, 3), "channels": channels})

    def _end_live(self) -> None:
        if not self.live:
            return
        self._live.clear()
        if asyncio.current_task() is not self._task:
            return  # `stop` asked for it: nothing that anybody still waits for is missed
        self._lost_at = self._clock.monotonic()
        self._observer.on_interruption()
        _log.warning(
            "the Redis Pub/Sub connection was interrupted; best-effort events published until it is back are lost",
            extra={"channels": self._interest.wanted},
        )

    # --- events -------------------------------------------------------------------------------------------------

    def _pass_on(self, messages: Sequence[PubSubMessage]) -> None:
        """Check and route a batch and submit it at once, in its order."""
        submissions: list[Submission] = []
        dropped: Counter[str] = Counter()
        for message in messages:
            try:
                submissions.append(self._route(message))
            except EventRefusedError as error:
                dropped[error.reason] += 1
                _log.debug("event refused: %s", error, extra={"channel": message.channel})
        accepted = sum(self._fanout.submit_many(submissions)) if submissions else 0
        if accepted < len(submissions):
            dropped[DropReason.QUEUE_FULL] += len(submissions) - accepted
        self._observer.on_received(SOURCE, len(messages))
        self._observer.on_submitted(accepted)
        for reason, count in dropped.items():
            self._observer.on_dropped(reason, count)
        self._drop_rate.record(len(messages), dropped)

    def _route(self, message: PubSubMessage) -> Submission:
        channel = parse_channel(message.channel)
        if channel is None:
            raise refuse(DropReason.CHANNEL_MISMATCH, "not a channel of the gateway")
        event = parse_event(message.payload)
        return Submission(event.room, self._routing.route_channel(event, channel), event.payload)
