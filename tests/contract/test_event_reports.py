"""What became of critical events: the same counts, whoever owns the connections, and whatever the way to them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.fanout.base import MAX_REPORTS, FanoutLimits, Reach
from gateway.fanout.broadcaster import SLICE
from gateway.types import Room
from tests.support.cores import MakeCore, attach, every_core
from tests.support.fanout_rig import ADMIN, KINDS, KITCHEN, ROOM, WAITERS, Kind, Rig, event, past_position, running
from tests.support.settle import settle

OTHER_TENANT = Room(2, 5)
PADDING = 1000


@pytest.fixture(params=[pytest.param(kind, id=kind.name) for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def rig(kind: Kind) -> AsyncIterator[Rig]:
    async with running(kind) as rig:
        yield rig


def reach_of(rig: Rig, n: int) -> Reach:
    """What became of the n-th critical event."""
    [report] = rig.fanout.reports(past_position(n).partition("/")[0])
    assert report.position == past_position(n)
    assert report.seconds >= 0
    return report.reach


async def test_every_recipient_is_counted_once_and_nobody_else(rig: Rig) -> None:
    rig.connect(KITCHEN)
    rig.connect(KITCHEN, ADMIN)
    rig.connect(WAITERS)
    rig.connect(KITCHEN, room=OTHER_TENANT)
    rig.submit(1, KITCHEN, ADMIN, position=past_position(1))
    await settle()
    [report] = rig.fanout.reports("1-1")
    assert report.room == ROOM
    # The kernel takes it at once where a reactor writes; the event loop's writers come later.
    assert report.reach == (Reach(sent=2) if rig.native else Reach(queued=2))
    assert rig.fanout.reports("1") == rig.fanout.reports("1-") == rig.fanout.reports("2-1") == []


async def test_an_event_for_nobody_in_the_room_is_reported_with_nobody(rig: Rig) -> None:
    rig.connect(WAITERS)
    rig.submit(1, position=past_position(1))
    await settle()
    assert reach_of(rig, 1) == Reach()


async def test_best_effort_events_and_announcements_are_not_reported(rig: Rig) -> None:
    rig.connect(KITCHEN)
    rig.submit(1)
    rig.fanout.announce(ROOM, '{"type":"gap"}', past_position(2))
    await settle()
    assert rig.fanout.reports("2-1") == []


async def test_a_burst_is_counted_event_by_event(rig: Rig) -> None:
    early = rig.connect(KITCHEN)
    items = [event(n, position=past_position(n) if n % 2 else None) for n in range(6)]
    rig.fanout.submit_many(items[:3])
    late = rig.connect(KITCHEN)
    rig.fanout.submit_many(items[3:])
    await settle()
    assert [sum(reach_of(rig, n)) for n in (1, 3, 5)] == [1, 2, 2]
    assert early.socket.numbers == list(range(6))
    assert late.socket.numbers == [3, 4, 5]


async def test_who_resumes_is_queued(rig: Rig) -> None:
    client = rig.connect(KITCHEN, resuming=True)
    rig.submit(1, position=past_position(1))
    await settle()
    assert reach_of(rig, 1) == Reach(queued=1)
    rig.page(client, last=True)
    await settle()
    assert client.socket.numbers == [1]


async def test_whom_an_event_was_too_much_for_is_dropped_as_slow(kind: Kind) -> None:
    limits = FanoutLimits(outbox_bytes=5 * (PADDING + 500))
    async with running(kind, limits) as rig:
        slow = rig.connect(KITCHEN)
        rig.connect(KITCHEN)
        slow.socket.stall()
        for n in range(1, 10):
            rig.submit(n, position=past_position(n), padding=PADDING)
            await settle()
        reaches = [reach_of(rig, n) for n in range(1, 10)]
        assert [reach.slow for reach in reaches].count(1) == 1
        at = next(number for number, reach in enumerate(reaches) if reach.slow)
        assert [reach.sent + reach.queued for reach in reaches] == [2] * at + [1] * (9 - at)
        assert {reach.gone for reach in reaches} == {0}


async def test_a_crowd_that_is_cut_is_counted_whole(rig: Rig) -> None:
    size = SLICE + 3
    for _ in range(size):
        rig.connect(KITCHEN)
    await settle()
    rig.submit(1, position=past_position(1))
    await settle()
    assert sum(reach_of(rig, 1)) == size


@every_core
def test_the_oldest_report_makes_room(make_core: MakeCore) -> None:
    core = make_core(FanoutLimits(max_broadcasts=0, max_broadcast_bytes=0, max_room_broadcasts=0))
    attach(core, 1, {ROOM: [KITCHEN]})
    for n in range(1, MAX_REPORTS + 2):
        [ticket] = core.submit_many([event(n, position=past_position(n))])
        assert ticket
        core.reached(ticket, Reach(1, 2, 3, 4))
        core.finish(ticket)
    assert core.reports("1-1") == []
    assert [report.reach for report in core.reports("2-1")] == [Reach(1, 2, 3, 4)]
    assert [report.reach for report in core.reports(f"{MAX_REPORTS + 1}-1")] == [Reach(1, 2, 3, 4)]


@every_core
def test_what_is_under_way_is_not_reported_yet(make_core: MakeCore) -> None:
    core = make_core()
    attach(core, 1, {ROOM: [KITCHEN]})
    [ticket] = core.submit_many([event(1, position=past_position(1))])
    assert ticket
    core.reached(ticket, Reach(queued=1))
    core.reached(ticket, Reach(gone=1))
    assert core.reports("1-1") == []
    core.finish(ticket)
    assert [report.reach for report in core.reports("1-1")] == [Reach(queued=1, gone=1)]
    with pytest.raises(KeyError):
        core.reached(ticket, Reach())
