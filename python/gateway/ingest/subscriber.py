"""The best-effort way in: from Redis Pub/Sub into the fan-out core."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from gateway.broker.base import Broker, PubSubBatch, PubSubMessage
from gateway.errors import EventRefusedError
from gateway.fanout.base import Submission
from gateway.ingest.base import IngestObserver
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.live_base import RoomFanout
from gateway.ingest.pace import BATCH_EVENTS, PATIENCE_SECONDS, WorkerPace
from gateway.ingest.pubsub_link import PubSubLink
from gateway.ingest.tenant_share import TenantShare, quiet_first
from gateway.protocol.audiences import parse_channel
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Clock

__all__ = ["BATCH_EVENTS", "PATIENCE_SECONDS", "RedisSubscriber"]

SOURCE = "pubsub"
"""How this way in is called in metrics."""

_log = logging.getLogger("gateway.ingest")


class RedisSubscriber:
    """Keeps one Pub/Sub connection alive, subscribed to what `Interest` asks for, and submits what it brings.

    Losing a live connection (`PubSubLink`) is one interruption: Pub/Sub keeps nothing, so how many events were missed
    cannot be known. Attempts that never became live belong to the same interruption.

    For one event loop; not thread-safe.

    Args:
        broker: where connections come from.
        interest: which channels; nobody else may drive it.
        routing: which audiences an event on a channel reaches.
        fanout: takes the events, once per batch.
        share: how many events each tenant may bring; None is no limit.
        breaker: of duty `pubsub`, this subscriber's own.
        jitter: the waits between attempts.
        drop_rate: is told how many events were dropped.
        observer: sees the counts.
        clock: `monotonic` is used for the length of an outage, `time` for when a batch was read.
        ping_interval: seconds of silence after which Redis is pinged; the same again without a word is a cut.
        answer_timeout: seconds that a new connection has for its first answers.
        sleep: waits for some seconds; tests hand in one that does not.
    """

    def __init__(
        self,
        broker: Broker,
        interest: Interest,
        routing: RoutingTable,
        fanout: RoomFanout,
        *,
        breaker: CircuitBreaker,
        jitter: DecorrelatedJitter,
        drop_rate: EventDropRateTracker,
        observer: IngestObserver,
        clock: Clock,
        share: TenantShare | None = None,
        ping_interval: float = 15.0,
        answer_timeout: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interest = interest
        self._routing = routing
        self._fanout = fanout
        self._share = share or TenantShare(0, clock)
        self._drop_rate = drop_rate
        self._observer = observer
        self._clock = clock
        self._pace = WorkerPace(fanout, clock)
        self._link = PubSubLink(
            "redis-subscriber",
            broker,
            interest,
            self,
            breaker=breaker,
            jitter=jitter,
            clock=clock,
            ping_interval=ping_interval,
            answer_timeout=answer_timeout,
            sleep=sleep,
        )

    @property
    def live(self) -> bool:
        """Whether the connection stands and Redis has answered on it; for readiness."""
        return self._link.live

    async def start(self) -> None:
        """See `PubSubLink.start`."""
        await self._link.start()

    async def wait_live(self) -> None:
        """See `PubSubLink.wait_live`."""
        await self._link.wait_live()

    async def stop(self, timeout: float = 5.0) -> None:
        """End the connection, waiting for at most `timeout` seconds; what was read has been submitted."""
        await self._link.stop(timeout)

    # --- LinkListener -------------------------------------------------------------------------------------------

    async def on_batch(self, batch: PubSubBatch) -> None:
        """See `LinkListener.on_batch`."""
        received = self._clock.time()
        for start in range(0, len(batch.messages), BATCH_EVENTS):
            self._pass_on(batch.messages[start : start + BATCH_EVENTS], received)
            await self._pace.let_workers_run()

    def on_live(self, outage: float | None) -> None:
        """See `LinkListener.on_live`."""
        if outage is not None:
            self._observer.on_reconnected(outage)

    def on_lost(self) -> None:
        """See `LinkListener.on_lost`."""
        self._observer.on_interruption()
        _log.warning(
            "the Redis Pub/Sub connection was interrupted; best-effort events published until it is back are lost",
            extra={"channels": self._interest.wanted},
        )

    # --- events -------------------------------------------------------------------------------------------------

    def _pass_on(self, messages: Sequence[PubSubMessage], received: float) -> None:
        """Check and route a batch and submit it at once, in its order."""
        submissions: list[Submission] = []
        dropped: Counter[str] = Counter()
        for message in messages:
            try:
                submissions.append(self._route(message, received))
            except EventRefusedError as error:
                dropped[error.reason] += 1
                _log.debug("event refused: %s", error, extra={"channel": message.channel})
        accepted = sum(self._fanout.submit_many(quiet_first(submissions))) if submissions else 0
        if accepted < len(submissions):
            dropped[DropReason.QUEUE_FULL] += len(submissions) - accepted
        self._observer.on_received(SOURCE, len(messages))
        self._observer.on_submitted(accepted)
        for reason, count in dropped.items():
            self._observer.on_dropped(reason, count)
        self._drop_rate.record(len(messages), dropped)

    def _route(self, message: PubSubMessage, received: float) -> Submission:
        channel = parse_channel(message.channel)
        if channel is None:
            raise refuse(DropReason.CHANNEL_MISMATCH, "not a channel of the gateway")
        event = parse_event(message.payload)
        audiences = self._routing.route_channel(event, channel)
        if not self._share.admits(event.room.tenant):
            raise refuse(DropReason.TENANT_RATE, f"tenant {event.room.tenant}")
        return Submission(event.room, audiences, event.payload, None, received, SOURCE)
