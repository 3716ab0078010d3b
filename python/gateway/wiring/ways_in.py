"""The ways by which events and announcements come in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.broker.redis_source import RedisSource
from gateway.fanout.base import Fanout
from gateway.ingest.announcements import AnnouncementSubscriber
from gateway.ingest.announcements_base import AnnouncementListener
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.live_interest import LiveInterest
from gateway.ingest.live_subscriber import LiveSubscriber
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.relay_base import RelayNumbers
from gateway.ingest.stream_consumer import StreamConsumer
from gateway.ingest.subscriber import RedisSubscriber
from gateway.ingest.tap import EventTap
from gateway.ingest.tenant_share import TenantShare
from gateway.protocol.routing import RoutingTable
from gateway.wiring.ground import Ground, connecting_again
from gateway.wiring.redis import RedisParts


@dataclass(frozen=True, slots=True)
class WayInParts:
    """The seed's order: subscriber, stream consumer. Whoever passes events on is there before events come.

    Attributes:
        subscriber: best-effort events.
        live: critical events, as every node hears them.
        relay: critical events, from the source into the rooms; one node at a time.
        announcements: changed rights.
        tap: where what the first two submit can be seen.
    """

    subscriber: RedisSubscriber
    live: LiveSubscriber
    relay: StreamConsumer
    announcements: AnnouncementSubscriber
    tap: EventTap

    @property
    def in_order(self) -> tuple[RedisSubscriber, LiveSubscriber, StreamConsumer, AnnouncementSubscriber]:
        """In the order in which they start."""
        return self.subscriber, self.live, self.relay, self.announcements

    async def wait_live(self) -> None:
        """Return when everything that has to be heard is heard."""
        await self.subscriber.wait_live()
        await self.live.wait_live()
        await self.announcements.wait_live()


def way_in_parts(
    ground: Ground,
    redis: RedisParts,
    fanout: Fanout,
    routing: RoutingTable,
    listener: AnnouncementListener,
    *,
    interest: Interest,
    rooms: LiveInterest,
    node: str,
    on_question: Callable[[bytes], None],
) -> WayInParts:
    """Make them; none is started. `node` is this node's name; `on_question` is given what other nodes ask."""
    settings, metrics, clock = ground.settings, ground.metrics, ground.clock
    drop_rate = EventDropRateTracker(
        clock,
        share=settings.drop_alert_share / 100,
        window=settings.drop_alert_window,
        cooldown=settings.drop_alert_every,
        on_alert=lambda _alert: metrics.drop_alerts.inc(),
    )
    tap = EventTap(fanout)
    subscriber = RedisSubscriber(
        redis.broker,
        interest,
        routing,
        tap,
        _link(ground, "pubsub"),
        drop_rate=drop_rate,
        observer=metrics.ingest,
        share=TenantShare(settings.event_rate_per_tenant, clock),
    )
    live = LiveSubscriber(
        redis.broker,
        redis.history,
        rooms,
        tap,
        _link(ground, "live"),
        drop_rate=drop_rate,
        observer=metrics.live,
    )
    relay = StreamConsumer(
        RedisSource(redis.relaying, lease_seconds=settings.relay_lease),
        redis.relay_history,
        routing,
        node=node,
        breaker=redis.relay_breaker,
        jitter=connecting_again(),
        observer=metrics.critical,
        clock=clock,
        numbers=RelayNumbers(
            lease=settings.relay_lease, history_events=settings.history_events, tries=settings.dlq_tries
        ),
    )
    announcements = AnnouncementSubscriber(
        redis.broker,
        listener,
        _link(ground, "announcements"),
        observer=metrics.rights,
        on_question=on_question,
    )
    metrics.redis_up.set_function(lambda: float(subscriber.live))
    return WayInParts(subscriber, live, relay, announcements, tap)


def _link(ground: Ground, duty: str) -> LinkOptions:
    return LinkOptions(breaker=ground.link_breaker(duty), jitter=connecting_again(), clock=ground.clock)
