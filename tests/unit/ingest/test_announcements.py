from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.ingest.announcements import AnnouncementSubscriber
from gateway.ingest.pubsub_link import LinkOptions
from gateway.protocol.rights import Revocation, SectorChange
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from tests.support.clock import FakeClock
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle


class Told:
    """Listener and observer at once."""

    def __init__(self) -> None:
        self.heard: list[Revocation | SectorChange] = []
        self.listening = 0
        self.counts: Counter[str] = Counter()

    def on_revoked(self, revocation: Revocation) -> None:
        self.heard.append(revocation)

    def on_sectors(self, change: SectorChange) -> None:
        self.heard.append(change)

    def on_listening(self) -> None:
        self.listening += 1

    def on_announcement(self, kind: str) -> None:
        self.counts[kind] += 1

    def on_deaf(self) -> None:
        self.counts["deaf"] += 1


class Broker:
    def __init__(self) -> None:
        self.connections: list[FakePubSubConnection] = []

    async def pubsub(self) -> FakePubSubConnection:
        self.connections.append(FakePubSubConnection())
        return self.connections[-1]


@asynccontextmanager
async def subscriber() -> AsyncIterator[tuple[Broker, Told]]:
    broker, told, clock = Broker(), Told(), FakeClock()

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    announcements = AnnouncementSubscriber(
        broker,  # type: ignore[arg-type]
        told,
        LinkOptions(
            breaker=CircuitBreaker("announcements", clock), jitter=DecorrelatedJitter(1, 1), clock=clock, sleep=sleep
        ),
        observer=told,
    )
    await announcements.start()
    await settle()
    try:
        yield broker, told
    finally:
        await announcements.stop()


async def test_its_channels_are_subscribed_by_name() -> None:
    async with subscriber() as (broker, _):
        command, names = broker.connections[-1].commands[0]
        assert (command, set(names)) == ("subscribe", {"auth:revoked", "auth:sectors", "gateway:nodes"})


async def test_everything_is_passed_on_in_order_and_counted() -> None:
    async with subscriber() as (broker, told):
        broker.connections[-1].answer()
        broker.connections[-1].publish(
            ("auth:revoked", b'{"jti":"a"}'),
            ("auth:sectors", b'{"tenant_id":7,"user_id":"12"}'),
            ("auth:revoked", b'{"tenant_id":7}'),
        )
        await settle()
        assert told.heard == [Revocation(jti="a"), SectorChange(7, "12"), Revocation(tenant_id=7)]
        assert told.counts == {"revoked": 2, "sectors": 1}


async def test_what_cannot_be_read_is_counted_and_ends_nothing() -> None:
    async with subscriber() as (broker, told):
        broker.connections[-1].answer()
        broker.connections[-1].publish(
            ("auth:revoked", b"\xff"), ("auth:sectors", b'{"tenant_id":7}'), ("auth:revoked", b'{"jti":"a"}')
        )
        await settle()
        assert told.heard == [Revocation(jti="a")]
        assert told.counts == {"malformed": 2, "revoked": 1}
        assert len(broker.connections) == 1


async def test_each_time_that_it_begins_to_hear_somebody_makes_up_for_what_was_missed() -> None:
    async with subscriber() as (broker, told):
        assert told.listening == 0, "not before Redis has confirmed"
        broker.connections[-1].answer()
        await settle()
        assert told.listening == 1, "joins may have come before"
        broker.connections[-1].cut()
        await settle()
        assert told.counts["deaf"] == 1
        broker.connections[-1].answer()
        await settle()
        assert told.listening == 2
