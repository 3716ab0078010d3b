from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.fanout.base import ConnectionIdentity, FanoutLimits, Membership, Submission
from gateway.fanout.broadcaster import SLICE, ConnectionBroadcaster, Fate, Job
from gateway.fanout.measures import Reach
from gateway.fanout.message import Message, Sort
from gateway.fanout.pure import PureCore
from gateway.types import ConnectionId, Room
from tests.support.fanout_rig import KITCHEN, ROOM
from tests.support.settle import settle, turns


class RecordingOwner:
    """Keeps `broadcaster.Owner`; remembers what was delivered, and fails for whom it is told to."""

    def __init__(self) -> None:
        self.moves = 0
        self.delivered: list[tuple[ConnectionId, Message]] = []
        self.failing: set[ConnectionId] = set()
        self.given_up: list[tuple[ConnectionId, int]] = []

    def moved_since(self, connection: ConnectionId, moves: int) -> bool:
        return False

    def pass_on(self, connection: ConnectionId, message: Message) -> Fate:
        if connection in self.failing:
            raise MemoryError("no room for one more")
        self.delivered.append((connection, message))
        return Fate.TAKEN

    def give_up(self, connection: ConnectionId, code: int) -> bool:
        self.given_up.append((connection, code))
        return True


class Bench:
    def __init__(self, workers: int = 10) -> None:
        self.core = PureCore(FanoutLimits())
        self.owner = RecordingOwner()
        self.finished = 0
        self.broadcaster = ConnectionBroadcaster(self.core, self.owner, self.on_finished, workers)
        self.last = 0

    def join(self, count: int, room: Room = ROOM) -> list[ConnectionId]:
        joined = [ConnectionId(self.last + n) for n in range(1, count + 1)]
        for connection in joined:
            self.core.attach(connection, [Membership(room, (KITCHEN,))], ConnectionIdentity(room.tenant))
        self.last += count
        return joined

    def on_finished(self) -> None:
        self.finished += 1

    def enqueue(self, payload: bytes, room: Room = ROOM, position: str | None = None) -> None:
        [ticket] = self.core.submit_many([Submission(room, (KITCHEN,), payload, position)], [1])
        assert ticket
        self.broadcaster.enqueue(Job(ticket, room, payload, position))

    @property
    def texts(self) -> list[str]:
        return [message.text for _, message in self.owner.delivered]

    @property
    def in_flight(self) -> int:
        return self.core.stats().broadcasts_in_flight


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.broadcaster.start_workers()
    yield bench
    await bench.broadcaster.stop_workers(1.0)


async def test_decodes_an_event_once_for_all_its_recipients(bench: Bench) -> None:
    joined = bench.join(3)
    bench.enqueue(b'{"a":1}')
    await settle()
    assert {connection for connection, _ in bench.owner.delivered} == set(joined)
    assert len({id(message) for _, message in bench.owner.delivered}) == 1


async def test_only_an_event_with_a_position_is_critical(bench: Bench) -> None:
    bench.join(1)
    bench.enqueue(b'{"a":1}')
    bench.enqueue(b'{"a":1}', position="5-0/00000000")
    await settle()
    assert [message.sort for _, message in bench.owner.delivered] == [Sort.BEST_EFFORT, Sort.CRITICAL]
    assert bench.texts == ['{"a":1}', '{"event_id":"5-0","position":"5-0/00000000","a":1}']


async def test_a_fault_of_one_recipient_closes_it_and_reaches_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    joined = bench.join(5)
    bench.owner.failing = {joined[2]}
    bench.enqueue(b'{"a":1}')
    await settle()
    assert {connection for connection, _ in bench.owner.delivered} == {*joined} - {joined[2]}
    assert bench.owner.given_up == [(joined[2], 1011)]
    assert [report.reach for report in bench.core.reports()] == [Reach(matched=5, lost=1)]
    assert bench.finished == 1
    assert bench.in_flight == 0
    assert "it is closed" in caplog.text


async def test_an_event_that_cannot_be_passed_on_costs_its_permit_and_no_worker(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.join(1)
    bench.enqueue(b'{"bad":"\xff"}')
    bench.enqueue(b'{"bad":"\xfe"}', position="5-0/00000000")
    bench.enqueue(b'{"good":1}')
    await settle()
    assert bench.texts == ['{"good":1}']
    assert bench.in_flight == 0
    assert caplog.text.count("could not be passed on") == 2
    assert bench.core.positions(ConnectionId(1)) == {}, "nobody stands behind what was not passed"


async def test_a_large_event_gives_the_loop_its_turn_between_slices(bench: Bench) -> None:
    bench.join(3 * SLICE + 1)
    bench.enqueue(b'{"a":1}')
    seen = []
    while bench.in_flight:
        await turns(1)
        seen.append(len(bench.owner.delivered))
    progress = sorted({count for count in seen if count})
    assert progress == [SLICE, 2 * SLICE, 3 * SLICE, 3 * SLICE + 1]


async def test_many_small_events_give_the_loop_its_turn_too(bench: Bench) -> None:
    bench.join(1)
    for n in range(400):
        bench.enqueue(b'{"n":%d}' % n)
    await turns(1)
    assert 0 < len(bench.owner.delivered) <= SLICE
    await settle()
    assert bench.texts == [f'{{"n":{n}}}' for n in range(400)]


async def test_a_room_that_is_being_served_in_slices_does_not_hold_up_the_rooms_of_other_workers(
    bench: Bench,
) -> None:
    huge, small = (
        ROOM,
        next(room for room in (Room(1, branch) for branch in range(6, 99)) if hash(room) % 10 != hash(ROOM) % 10),
    )
    bench.join(20 * SLICE, huge)
    bench.enqueue(b'{"huge":1}', huge)
    [witness] = bench.join(1, small)
    bench.enqueue(b'{"small":1}', small)
    await turns(2)
    assert witness in {connection for connection, _ in bench.owner.delivered}
    assert bench.in_flight == 1


async def test_stop_passes_everything_that_there_is_time_for() -> None:
    bench = Bench(workers=2)
    bench.join(1)
    for n in range(50):
        bench.enqueue(b'{"n":%d}' % n)
    bench.broadcaster.start_workers()
    assert await bench.broadcaster.stop_workers(5.0) == 0
    assert len(bench.texts) == 50
    assert bench.in_flight == 0


async def test_stop_throws_away_what_there_is_no_time_for_and_gives_its_permits_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(workers=2)
    bench.join(4 * SLICE)
    for n in range(50):
        bench.enqueue(b'{"n":%d}' % n)
    bench.broadcaster.start_workers()
    await turns(2)
    thrown = await bench.broadcaster.stop_workers(0.0)
    assert 0 < thrown < 50
    assert bench.in_flight == 0
    assert "thrown away" in caplog.text


async def test_stop_leaves_no_task() -> None:
    bench = Bench()
    before = asyncio.all_tasks()
    bench.broadcaster.start_workers()
    await settle()
    assert len(asyncio.all_tasks() - before) == 10
    await bench.broadcaster.stop_workers(1.0)
    assert asyncio.all_tasks() == before


def test_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Bench(workers=0)
