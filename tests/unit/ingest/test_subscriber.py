from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.fanout.base import CoreStats, Occupancy, Submission
from gateway.ingest.drop_rate import EventDropRateTracker
from gateway.ingest.interest import Interest
from gateway.ingest.pace import BATCH_EVENTS, PATIENCE_SECONDS
from gateway.ingest.pubsub_link import LinkOptions
from gateway.ingest.subscriber import RedisSubscriber
from gateway.ingest.tenant_share import TenantShare
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import BreakerState, CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.types import Room
from tests.support.clock import FakeClock
from tests.support.fake_pubsub import FakeBroker, FakePubSubConnection
from tests.support.noting_observer import NotingIngestObserver
from tests.support.settle import settle, turns

KITCHEN = "branch:5:kitchen"


def event(kind: str = "ROUND_READY", tenant: int = 1, branch: int = 5, **members: object) -> bytes:
    return json.dumps({"type": kind, "tenant_id": tenant, "branch_id": branch, **members}).encode()


class FakeFanout:
    """Notes what is submitted; refuses a room that is said to be full."""

    def __init__(self) -> None:
        self.batches: list[list[Submission]] = []
        self.full: set[Room] = set()
        self.in_flight = 0

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        self.batches.append(list(items))
        return [item.room not in self.full for item in items]

    def stats(self) -> CoreStats:
        return CoreStats(0, 0, self.in_flight, 0, 0, 0)


class Rig:
    """A subscriber among fakes. Between two attempts it waits until the test calls `next_attempt`."""

    def __init__(self, tenant_rate: float = 0, *, longest_wait: float = 30) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.fanout = FakeFanout()
        self.observer = NotingIngestObserver()
        self.interest = Interest()
        self.breaker = CircuitBreaker("pubsub", self.clock)
        self.drop_rate = EventDropRateTracker(self.clock)
        self.waits: list[float] = []
        self._go = asyncio.Event()
        self.subscriber = RedisSubscriber(
            self.broker,
            self.interest,
            RoutingTable(),
            self.fanout,
            LinkOptions(
                breaker=self.breaker,
                jitter=DecorrelatedJitter(1, longest_wait, lambda low, high: high),
                clock=self.clock,
                sleep=self._sleep,
            ),
            drop_rate=self.drop_rate,
            observer=self.observer,
            share=TenantShare(tenant_rate, self.clock),
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._go.clear()
        await self._go.wait()

    async def next_attempt(self) -> None:
        """Let the wait pass, and see what the attempt leads to."""
        self.clock.advance(self.waits[-1])
        self._go.set()
        await settle()

    @property
    def connection(self) -> FakePubSubConnection:
        return self.broker.connections[-1]

    async def answer(self) -> None:
        """Let Redis answer all that it was asked."""
        self.connection.answer()
        await settle()

    async def receive(self, *messages: tuple[str, bytes]) -> None:
        self.connection.publish(*messages)
        await settle()


@asynccontextmanager
async def started(tenant_rate: float = 0) -> AsyncIterator[Rig]:
    rig = Rig(tenant_rate)
    await rig.subscriber.start()
    await settle()
    try:
        yield rig
    finally:
        await rig.subscriber.stop()


@asynccontextmanager
async def live() -> AsyncIterator[Rig]:
    async with started() as rig:
        await rig.answer()
        assert rig.subscriber.live
        yield rig


async def test_it_is_live_once_the_ping_behind_all_subscriptions_is_answered() -> None:
    rig = Rig()
    rig.interest.on_occupancy(Occupancy(occupied=(KITCHEN,)))
    await rig.subscriber.start()
    await settle()
    assert rig.connection.commands == [("subscribe", (KITCHEN,)), ("ping", ("",))]
    rig.connection.answer(1)
    await settle()
    assert not rig.subscriber.live
    await rig.answer()
    assert rig.subscriber.live
    assert rig.interest.confirmed == 1
    await rig.subscriber.wait_live()
    await rig.subscriber.stop()


async def test_events_are_routed_and_submitted_in_order_and_once_per_batch() -> None:
    async with live() as rig:
        first, second = event(sector_id=9), event("ROUND_SERVED")
        await rig.receive((KITCHEN, first), ("branch:5:waiters", first), (KITCHEN, second))
        from_here = {"origin": rig.clock.time(), "source": "pubsub"}
        assert rig.fanout.batches == [
            [
                Submission(Room(1, 5), (KITCHEN,), first, **from_here),
                Submission(Room(1, 5), ("sector:9:waiters",), first, **from_here),
                Submission(Room(1, 5), (KITCHEN,), second, **from_here),
            ]
        ]
        assert rig.observer.received == {"pubsub": 3}
        assert rig.observer.submitted == 3
        assert not rig.observer.dropped


async def test_each_refused_event_is_counted_by_its_reason_and_the_rest_of_the_batch_goes_on() -> None:
    async with live() as rig:
        rig.fanout.full = {Room(2, 5)}
        await rig.receive(
            (KITCHEN, b"{"),
            (KITCHEN, b"[]"),
            (KITCHEN, event(x="y" * 70_000)),
            (KITCHEN, event(position="1-0/x")),
            (KITCHEN, event("NO_SUCH_THING")),
            (KITCHEN, event("ROUND_CONFIRMED")),
            (KITCHEN, event(branch=6)),
            ("branch:05:kitchen", event()),
            ("branch:\ufffd:kitchen", event()),
            (KITCHEN, event(tenant=2)),
            (KITCHEN, event()),
        )
        assert rig.observer.dropped == {
            "bad_json": 1,
            "bad_shape": 1,
            "too_big": 1,
            "reserved_member": 1,
            "unknown_type": 1,
            "not_for_audience": 1,
            "channel_mismatch": 3,
            "queue_full": 1,
        }
        assert rig.observer.received["pubsub"] == 11 == rig.observer.submitted + rig.observer.dropped.total()
        assert rig.drop_rate.share() == 10 / 11


async def test_a_lost_live_connection_is_one_interruption_however_many_attempts_it_takes() -> None:
    async with live() as rig:
        rig.interest.on_occupancy(Occupancy(occupied=(KITCHEN,)))
        await settle()
        rig.connection.cut()
        await settle()
        assert rig.connection.closed
        assert not rig.subscriber.live
        rig.broker.away = True
        await rig.next_attempt()
        rig.broker.away = False
        await rig.next_attempt()
        rig.connection.cut()  # before it was live
        await settle()
        await rig.next_attempt()
        await rig.answer()
        assert rig.subscriber.live
        assert rig.connection.written == {KITCHEN}
        assert rig.observer.interruptions == 1
        assert rig.waits == [3, 9, 27]
        assert rig.observer.outages == [3 + 9 + 27]
        rig.connection.cut()
        await settle()
        assert rig.waits[-1] == 3, "a live connection begins the waits anew"
        assert rig.observer.interruptions == 2


async def test_a_server_that_never_was_there_is_no_interruption() -> None:
    rig = Rig()
    rig.broker.away = True
    await rig.subscriber.start()
    await settle()
    await rig.next_attempt()
    rig.broker.away = False
    await rig.next_attempt()
    await rig.answer()
    assert rig.subscriber.live
    assert rig.observer.interruptions == 0
    assert rig.observer.outages == []
    await rig.subscriber.stop()


async def test_after_five_failures_it_waits_until_the_breaker_lets_it_try() -> None:
    rig = Rig(longest_wait=1)
    rig.broker.away = True
    await rig.subscriber.start()
    await settle()
    for _ in range(3):
        await rig.next_attempt()
    assert rig.broker.attempts == 4
    await rig.next_attempt()
    assert rig.breaker.state is BreakerState.OPEN
    await rig.next_attempt()
    assert rig.broker.attempts == 6
    assert rig.breaker.state is BreakerState.OPEN, "the trial failed"
    await rig.next_attempt()
    assert rig.waits == [1, 1, 1, 1, 1, 2, 4], "the breaker's times are longer than the link's own waits by now"
    await rig.subscriber.stop()


async def test_one_connection_proves_itself_by_as_many_answers_as_the_breaker_wants() -> None:
    rig = Rig()
    rig.broker.away = True
    await rig.subscriber.start()
    await settle()
    while rig.breaker.state is not BreakerState.OPEN:
        await rig.next_attempt()
    rig.broker.away = False
    await rig.next_attempt()
    for _ in range(2):
        await rig.answer()
        assert rig.breaker.state is BreakerState.HALF_OPEN
    await rig.answer()
    assert rig.breaker.state is BreakerState.CLOSED
    assert rig.connection.unanswered == 0, "and then it stops asking"
    await rig.subscriber.stop()


async def test_a_trial_that_is_cut_opens_the_breaker_again_and_takes_no_place_for_ever() -> None:
    rig = Rig()
    rig.broker.away = True
    await rig.subscriber.start()
    await settle()
    for _ in range(4):
        while rig.breaker.state is not BreakerState.OPEN:
            await rig.next_attempt()
        rig.broker.away = False
        await rig.next_attempt()
        await rig.answer()
        rig.connection.cut()
        await settle()
        assert rig.breaker.state is BreakerState.OPEN
    await rig.next_attempt()
    for _ in range(3):
        await rig.answer()
    assert rig.breaker.state is BreakerState.CLOSED
    await rig.subscriber.stop()


async def test_losing_a_live_connection_is_no_failed_attempt() -> None:
    async with live() as rig:
        for _ in range(6):
            rig.connection.cut()
            await settle()
            await rig.next_attempt()
            await rig.answer()
        assert rig.breaker.state is BreakerState.CLOSED


async def test_a_fault_of_ours_is_logged_in_full_and_does_not_end_the_way_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with live() as rig:
        good = rig.fanout.submit_many

        def broken(items: Sequence[Submission]) -> list[bool]:
            raise ZeroDivisionError("a fault in the core")

        rig.fanout.submit_many = broken  # type: ignore[method-assign]
        await rig.receive((KITCHEN, event()))
        assert "ZeroDivisionError: a fault in the core" in caplog.text
        assert rig.observer.interruptions == 1
        rig.fanout.submit_many = good  # type: ignore[method-assign]
        await rig.next_attempt()
        await rig.answer()
        await rig.receive((KITCHEN, event()))
        assert rig.observer.submitted == 1


async def test_stop_closes_the_connection_counts_no_interruption_and_may_be_called_twice() -> None:
    async with live() as rig:
        await rig.subscriber.stop()
        assert rig.connection.closed
        assert not rig.subscriber.live
        assert rig.observer.interruptions == 0
        await rig.subscriber.stop()
        assert [task for task in asyncio.all_tasks() if task.get_name() == "redis-subscriber"] == []


async def test_stop_ends_a_wait_between_attempts_too() -> None:
    rig = Rig()
    rig.broker.away = True
    await rig.subscriber.start()
    await settle()
    assert rig.waits
    await rig.subscriber.stop()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "redis-subscriber"] == []


async def test_a_stop_that_takes_too_long_is_given_up_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    async with live() as rig:
        held = asyncio.Event()

        async def close() -> None:
            await held.wait()

        rig.connection.close = close  # type: ignore[method-assign]
        with caplog.at_level(logging.WARNING, "gateway.ingest"):
            await rig.subscriber.stop(timeout=0)
        assert "did not stop in time" in caplog.text
        held.set()
        await settle()


async def test_it_can_be_started_again_after_a_stop() -> None:
    async with live() as rig:
        await rig.subscriber.stop()
        await rig.subscriber.start()
        await settle()
        await rig.answer()
        assert rig.subscriber.live
        assert rig.broker.attempts == 2


async def test_a_large_read_is_submitted_in_parts_so_that_workers_have_a_turn_in_between() -> None:
    async with live() as rig:
        await rig.receive(*[(KITCHEN, event(n=number)) for number in range(2 * BATCH_EVENTS + 1)])
        assert [len(batch) for batch in rig.fanout.batches] == [BATCH_EVENTS, BATCH_EVENTS, 1]


async def test_workers_that_are_far_behind_are_waited_for_but_not_for_long() -> None:
    async with live() as rig:
        rig.fanout.in_flight = BATCH_EVENTS + 1
        rig.connection.publish((KITCHEN, event(n=1)))
        await turns(100)
        rig.connection.publish((KITCHEN, event(n=2)))
        await turns(100)
        assert len(rig.fanout.batches) == 1, "the second read waits"
        rig.clock.advance(PATIENCE_SECONDS)
        await turns(100)
        assert len(rig.fanout.batches) == 2
        rig.fanout.in_flight = 0
        await rig.receive((KITCHEN, event(n=3)))
        assert len(rig.fanout.batches) == 3


async def test_what_each_tenant_brings_and_loses_is_told() -> None:
    async with started(tenant_rate=2) as rig:
        await rig.answer()
        rig.fanout.full = {Room(2, 5)}
        await rig.receive(*[(KITCHEN, event(tenant=tenant)) for tenant in (1, 1, 1, 2, 3)], (KITCHEN, b"{"))
        assert rig.observer.tenants == {1: 3, 2: 1, 3: 1}
        assert rig.observer.tenants_dropped == {1: 1, 2: 1}
        assert rig.observer.dropped == {"tenant_rate": 1, "queue_full": 1, "bad_json": 1}
        assert rig.observer.submitted == 3
