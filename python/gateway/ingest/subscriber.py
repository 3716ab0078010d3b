"""The best-effort way in: from Redis Pub/Sub into the fan-out core."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from operator import attrgetter

from gateway.broker.base import Broker, PubSubBatch, PubSubMessage
from gateway.errors import EventRefusedError
from gateway.fanout.base import Submission
from gateway.ingest.base import IngestObserver
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.linked import LinkedSubscriber
from gateway.ingest.live_base import RoomFanout
from gateway.ingest.pace import WorkerPace
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.tenant_share import TenantShare, quiet_first
from gateway.protocol.audiences import parse_channel
from gateway.protocol.events import DropReason, parse_event, refuse
from gateway.protocol.routing import RoutingTable

SOURCE = "pubsub"
"""How this way in is called in metrics."""

_tenant = attrgetter("room.tenant")

_log = logging.getLogger("gateway.ingest")


class RedisSubscriber(LinkedSubscriber):
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
        link: of duty `pubsub`; its clock serves for everything.
        drop_rate: is told how many events were dropped.
        observer: sees the counts.
    """

    def __init__(
        self,
        broker: Broker,
        interest: Interest,
        routing: RoutingTable,
        fanout: RoomFanout,
        link: LinkOptions,
        *,
        drop_rate: EventDropRateTracker,
        observer: IngestObserver,
        share: TenantShare | None = None,
    ) -> None:
        super().__init__("redis-subscriber", broker, interest, link)
        self._interest = interest
        self._routing = routing
        self._fanout = fanout
        self._share = share or TenantShare(0, link.clock)
        self._drop_rate = drop_rate
        self._observer = observer
        self._clock = link.clock
        self._pace = WorkerPace(fanout, link.clock)

    # --- LinkListener -------------------------------------------------------------------------------------------

    async def on_batch(self, batch: PubSubBatch) -> None:
        """See `LinkListener.on_batch`."""
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
            "the Redis Pub/Sub connection was interrupted; best-effort events published until it is back are lost",
            extra={"channels": self._interest.wanted},
        )

    # --- events -------------------------------------------------------------------------------------------------

    def _pass_on(self, messages: Sequence[PubSubMessage], received: float) -> None:
        """Check and route a batch and submit it at once, in its order."""
        submissions: list[Submission] = []
        dropped: Counter[str] = Counter()
        over_rate: Counter[int] = Counter()
        for message in messages:
            try:
                event = self._route(message, received)
                if self._share.admits(event.room.tenant):
                    submissions.append(event)
                else:
                    over_rate[event.room.tenant] += 1
            except EventRefusedError as error:
                dropped[error.reason] += 1
                _log.debug("event refused: %s", error, extra={"channel": message.channel})
        submissions = quiet_first(submissions)
        answers = self._fanout.submit_many(submissions) if submissions else []
        accepted = sum(answers)
        tenants = Counter(map(_tenant, submissions))
        lost = over_rate
        if over_rate:
            dropped[DropReason.TENANT_RATE] += over_rate.total()
            tenants += over_rate
        if accepted < len(submissions):
            dropped[DropReason.QUEUE_FULL] += len(submissions) - accepted
            full = zip(submissions, answers, strict=True)
            lost = over_rate + Counter(item.room.tenant for item, taken in full if not taken)
        self._observer.on_received(SOURCE, len(messages))
        self._observer.on_submitted(accepted)
        self._observer.on_tenants(tenants, lost)
        for reason, count in dropped.items():
            self._observer.on_dropped(reason, count)
        self._drop_rate.record(len(messages), dropped)

    def _route(self, message: PubSubMessage, received: float) -> Submission:
        channel = parse_channel(message.channel)
        if channel is None:
            raise refuse(DropReason.CHANNEL_MISMATCH, "not a channel of the gateway")
        event = parse_event(message.payload)
        audiences = self._routing.route_channel(event, channel)
        return Submission(event.room, audiences, event.payload, None, received, SOURCE)
