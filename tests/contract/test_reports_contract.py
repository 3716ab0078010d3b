"""What is measured of every event, and told of those that are watched: the same on every core, whoever owns sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.fanout.base import FanoutLimits
from gateway.fanout.measures import Counted, Reach
from tests.support.fanout_rig import ADMIN, KINDS, KITCHEN, ROOM, WAITERS, Rig, event, past_position, running
from tests.support.settle import settle

LIMITS = FanoutLimits(outbox_bytes=40_000, max_room_broadcasts=3)


@pytest.fixture(params=[pytest.param(kind, id=kind.name) for kind in KINDS])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    async with running(request.param, LIMITS) as rig:
        rig.observer.watching = True
        yield rig


def told(rig: Rig) -> list[tuple[str | None, Reach]]:
    """Event id and reach of what was told since the last call."""
    passed, rig.observer.passed = rig.observer.passed, []
    return [(report.event.event_id, report.reach) for report in passed]


async def test_a_watched_event_is_told_once_with_whom_it_reached(rig: Rig) -> None:
    for _ in range(3):
        rig.connect(KITCHEN)
    rig.connect(KITCHEN, ADMIN)
    await settle()
    submitted = event(1, KITCHEN, ADMIN, position=past_position(1))._replace(source="live")
    assert rig.fanout.submit_many([submitted]) == [True]
    assert told(rig) == [], "nothing has been passed yet"
    accepted = rig.clock.time()
    rig.move_clock(0.25)
    await settle()
    [report] = rig.observer.passed
    assert report == (submitted, Reach(matched=4), 0.25, accepted)
    await settle()
    assert len(rig.observer.passed) == 1


async def test_an_event_for_nobody_is_told_at_once(rig: Rig) -> None:
    rig.submit(1, KITCHEN, position=past_position(1))
    assert told(rig) == [("1-1", Reach())], "nobody is in the room"
    rig.connect(ADMIN)
    rig.submit(2, KITCHEN, position=past_position(2))
    await settle()
    assert told(rig) == [("2-1", Reach())], "nobody is in the audience"


async def test_who_left_before_it_came_to_him_was_not_matched(rig: Rig) -> None:
    staying, leaving = rig.connect(KITCHEN), rig.connect(KITCHEN)
    await settle()
    rig.submit(1, KITCHEN)
    rig.fanout.close(leaving.id, 1000)
    await settle()
    assert told(rig) == [(None, Reach(matched=1))]
    assert staying.socket.numbers == [1]


async def test_for_whom_it_waits_it_is_queued_and_for_whom_it_is_too_much_it_is_lost(rig: Rig) -> None:
    rig.connect(KITCHEN)
    slow = rig.connect(KITCHEN)
    await settle()
    slow.socket.stall()
    outcomes = []
    for n in range(1, 60):
        rig.submit(n, KITCHEN, position=past_position(n), padding=3_000)
        await settle()
        outcomes += [reach for _, reach in told(rig)]
    first_queued = outcomes.index(Reach(matched=2, queued=1))
    assert set(outcomes[:first_queued]) <= {Reach(matched=2)}
    lost = outcomes.index(Reach(matched=2, lost=1))
    assert set(outcomes[first_queued:lost]) == {Reach(matched=2, queued=1)}
    assert set(outcomes[lost + 1 :]) == {Reach(matched=1)}, "it is closed"
    stats = rig.fanout.stats()
    assert rig.observer.overflows + (stats.sockets.slow_closes if stats.sockets else 0) == 1


async def test_for_one_that_resumes_it_is_queued(rig: Rig) -> None:
    client = rig.connect(KITCHEN, resuming=True)
    rig.submit(1, KITCHEN, position=past_position(1))
    await settle()
    assert told(rig) == [("1-1", Reach(matched=1, queued=1))]
    rig.page(client, last=True)
    rig.submit(2, KITCHEN, position=past_position(2))
    await settle()
    assert client.socket.numbers == [1, 2]


async def test_what_is_refused_or_not_watched_is_not_told(rig: Rig) -> None:
    rig.connect(KITCHEN)
    answers = rig.fanout.submit_many([event(n, KITCHEN) for n in range(5)])
    assert answers == [True] * 3 + [False] * 2
    rig.observer.watching = False
    await settle()
    rig.submit(6, KITCHEN)
    await settle()
    rig.observer.watching = True
    rig.submit(7, KITCHEN)
    await settle()
    assert [reach.matched for _, reach in told(rig)] == [1] * 4
    assert rig.fanout._watch._watched == {}


async def test_every_event_is_measured_watched_or_not(rig: Rig) -> None:
    rig.observer.watching = False
    for _ in range(3):
        rig.connect(KITCHEN, WAITERS)
    began = rig.clock.time() - 2.0
    rig.fanout.submit_many(
        [event(1, KITCHEN)._replace(origin=began), event(2, WAITERS), event(3, ADMIN)._replace(origin=began)]
    )
    rig.move_clock(0.004)
    await settle()
    passing, end_to_end, audience = rig.fanout.measures()
    assert between(passing, 0.0025, 0.005) == sum(passing.counts) == 3
    assert passing.sum == pytest.approx(0.012)
    assert between(end_to_end, 1.0, 2.5) == sum(end_to_end.counts) == 2
    assert end_to_end.sum == pytest.approx(4.008)
    assert between(audience, 2.0, 5.0) == 2
    assert audience.counts[0] == 1
    assert audience.sum == 6


async def test_an_origin_in_the_future_is_now(rig: Rig) -> None:
    """Clocks of producers differ; no histogram takes a negative time."""
    rig.connect(KITCHEN)
    rig.fanout.submit_many([event(1, KITCHEN)._replace(origin=rig.clock.time() + 60)])
    await settle()
    assert rig.fanout.measures().end_to_end.counts[0] == 1
    assert rig.fanout.measures().end_to_end.sum == 0


async def test_an_announcement_is_measured_like_an_event_and_watched_by_nobody(rig: Rig) -> None:
    rig.connect(KITCHEN)
    assert rig.fanout.announce(ROOM, '{"type":"gap"}', past_position(1))
    await settle()
    assert told(rig) == []
    assert rig.passed[0] == 1


def between(counted: Counted, above: float, most: float) -> int:
    """Values in one bucket."""
    at = counted.bounds.index(most)
    assert counted.bounds[at - 1] == above
    return counted.counts[at]
