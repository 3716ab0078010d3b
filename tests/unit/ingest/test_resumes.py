"""Resumes of a node, from the decision to the last page; every branch of the rule."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.errors import BrokerError, TooManyResumesError
from gateway.fanout.base import Membership
from gateway.ingest.replay import Replay
from gateway.ingest.resume_base import PAGE_BYTES, ResumeOutcome
from gateway.ingest.resume_plan import Leg
from gateway.ingest.resumes import SETTLE_SECONDS
from gateway.ingest.room_ring import NODE_RING_BYTES, RING_EVENTS
from gateway.ingest.shared_reads import FIRST_READ, SharedReads
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.keys import live_channel
from gateway.protocol.live import CriticalEvent, encode_live
from gateway.protocol.messages import critical_gap
from gateway.protocol.positions import BEGUN_AGAIN, ZERO, Position
from gateway.types import Room
from tests.support.live_rig import FakeTime
from tests.support.memory_history import MemoryRoomHistory
from tests.support.resume_rig import Node, ResumingFanout, running_node
from tests.support.settle import settle

ROOM, OTHER = Room(1, 5), Room(1, 6)
ADMIN = Membership(ROOM, ("branch:5:admin",))
BOTH = (ADMIN, Membership(OTHER, ("branch:6:admin",)))
STRANGER = Position("99-0/0123abcd")


class Source:
    """Writes a room's history, and what its live channel carries."""

    def __init__(self, node: Node, room: Room = ROOM) -> None:
        self.node = node
        self.room = room
        self.events: list[CriticalEvent] = []
        self._number = 0

    def write(self, *audiences: str, size: int = 0) -> CriticalEvent:
        """History alone: the live message is on its way."""
        self._number += 1
        payload = b'{"n":%d,"x":"%s"}' % (self._number, b"x" * size)
        self.events.append(self.node.rig.history.relay(self.room, f"{self._number}-0", payload, *audiences))
        return self.events[-1]

    async def emit(self, count: int = 1, *audiences: str, size: int = 0) -> list[Position]:
        """Both."""
        events = [self.write(*audiences, size=size) for _ in range(count)]
        for start in range(0, count, 100):
            await self.node.rig.receive(self.room, *events[start : start + 100])
        return [event.position for event in events]


async def test_who_has_missed_nothing_is_live_at_once() -> None:
    async with running_node() as node:
        joined = await node.joined([ADMIN], {5: ZERO})
        assert joined.resumed == {5: True}
        assert joined.connection.live
        [position] = await Source(node).emit()
        again = await node.joined([ADMIN], {5: position})
        assert again.resumed == {5: True}
        assert again.connection.live
        assert again.connection.pages == []
        assert joined.got == [position]
        assert node.observer.outcomes == {ResumeOutcome.RING: 2}


async def test_what_the_node_remembers_is_given_in_one_page_and_asks_nobody() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(5)
        node.rig.history.away = True
        joined = await node.joined([ADMIN], {5: positions[1]})
        assert joined.positions == {5: positions[1]}
        assert joined.got == positions[2:]
        assert joined.connection.live
        assert node.observer.outcomes == {ResumeOutcome.RING: 1}
        assert node.rig.history.page_reads == []


async def test_more_than_the_ring_holds_comes_from_history_in_pages() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        [first] = await source.emit()
        missed = await source.emit(RING_EVENTS * 3, size=300)
        joined = await node.joined([ADMIN], {5: first})
        assert joined.resumed == {5: True}
        during = await source.emit(10)
        await settle()
        assert len(joined.connection.pages) == 1, "the next is given when this one was taken"
        assert node.observer.running == 1
        await joined.take_all()
        assert joined.got == [*missed, *during]
        assert joined.connection.live
        assert len(joined.connection.pages) > 3
        assert all(sum(len(entry.payload) for entry in page) <= PAGE_BYTES for page in joined.connection.pages)
        assert node.observer.outcomes == {ResumeOutcome.HISTORY: 1}
        assert node.observer.running == 0


async def test_an_event_of_the_largest_size_is_a_page_of_its_own() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        [first] = await source.emit()
        missed = await source.emit(8, size=PAGE_BYTES - 100)
        joined = await node.joined([ADMIN], {5: first})
        await joined.take_all()
        assert joined.got == missed
        assert [len(page) for page in joined.connection.pages] == [1] * 8


async def test_a_position_that_nobody_knows_is_not_resumed() -> None:
    async with running_node() as node:
        positions = await Source(node).emit(3)
        for position in (STRANGER, ZERO, BEGUN_AGAIN):
            joined = await node.joined([ADMIN], {5: position})
            assert joined.resumed == {5: False}
            assert joined.positions == {5: positions[-1]}
            assert joined.connection.live
        assert node.observer.outcomes == {ResumeOutcome.UNKNOWN: 3}


async def test_a_position_that_history_has_forgotten_is_not_resumed() -> None:
    async with running_node() as node:
        source = Source(node)
        positions = [source.write().position for _ in range(10)]
        node.rig.history.trim(ROOM, 3)
        assert (await node.joined([ADMIN], {5: positions[5]})).resumed == {5: False}
        joined = await node.joined([ADMIN], {5: positions[6]})
        await joined.take_all()
        assert joined.resumed == {5: True}
        assert joined.got == positions[7:]


async def test_the_ring_outlives_history() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(5)
        node.rig.history.trim(ROOM, 0)
        node.rig.history.head.clear()
        assert (await node.joined([ADMIN], {5: positions[0]})).got == positions[1:]


async def test_only_what_is_for_the_connection_comes() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        first = (await source.emit())[0]
        expected = []
        for _ in range(RING_EVENTS):
            await source.emit(1, "session:78")
            await source.emit(1, "branch:5:kitchen", "session:77")
            expected.append(source.events[-1].position)
        diner = await node.joined([Membership(ROOM, ("session:77",))], {5: first})
        await diner.take_all()
        assert diner.got == expected
        # What is left fits into a page and into the ring, though all that happened would not.
        node.rig.history.away = True
        for _ in range(100):
            await source.emit(1, "session:78", size=2_000)
        back = await node.joined([Membership(ROOM, ("session:77",))], {5: expected[-1]})
        assert back.got == []
        assert back.connection.live


async def test_one_page_holds_nothing_that_is_for_others() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        [first] = await source.emit()
        [own] = await source.emit(1, "session:77")
        await source.emit(1, "session:78")
        assert (await node.joined([Membership(ROOM, ("session:77",))], {5: first})).got == [own]


async def test_a_first_read_that_holds_more_than_was_submitted_is_cut_there() -> None:
    """History is ahead of the node by what its live channel still brings: that is held, and must not come twice."""
    async with running_node(ring_bytes=1) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(3)
        ahead = source.write()
        joined = await node.joined([ADMIN], {5: positions[0]})
        assert joined.got == positions[1:]
        await node.rig.receive(ROOM, ahead)
        assert joined.got == [*positions[1:], ahead.position]


@pytest.mark.parametrize("ring_bytes", [1, NODE_RING_BYTES])
async def test_events_of_every_turn_of_the_loop_come_once(ring_bytes: int) -> None:
    """Whatever turn the decision falls into, it ends exactly where the core begins to hold."""
    async with running_node(ring_bytes=ring_bytes) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(3)

        async def flow() -> None:
            for _ in range(60):
                event = source.write()
                node.rig.connection.publish((live_channel(ROOM), encode_live(event)))
                await asyncio.sleep(0)

        flowing = asyncio.create_task(flow())
        back = [await node.join([ADMIN], {5: positions[0]}) for _ in range(3)]
        await flowing
        await settle()
        for joined in back:
            await joined.take_all()
            assert joined.got == [event.position for event in source.events[1:]]


async def test_a_ring_that_is_no_chain_to_the_cursor_is_not_gone_by() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(4)
        cursor = node.rig.interest.cursor(live_channel(ROOM))
        assert cursor is not None
        cursor.ring.take_back(source.events[2])
        assert cursor.ring.after(positions[0]) == [source.events[1], source.events[3]]
        joined = await node.joined([ADMIN], {5: positions[0]})
        assert joined.got == positions[1:], "what the ring lacks comes from history"


async def test_several_branches_come_one_after_the_other() -> None:
    async with running_node() as node:
        here, there = Source(node), Source(node, OTHER)
        await node.joined(BOTH, {})
        [first], [other] = await here.emit(), await there.emit()
        missed = await here.emit(RING_EVENTS + 10)
        missed_there = await there.emit(5)
        joined = await node.joined(BOTH, {6: other, 5: first})
        await joined.take_all()
        assert joined.resumed == {5: True, 6: True}
        assert joined.got == missed + missed_there
        assert node.observer.outcomes == {ResumeOutcome.RING: 1, ResumeOutcome.HISTORY: 1}
        one = await node.joined(BOTH, {5: STRANGER, 6: other})
        await one.take_all()
        assert one.resumed == {5: False, 6: True}
        assert one.got == missed_there
        assert one.positions == {5: missed[-1], 6: other}


async def test_branches_that_are_not_the_connections_are_left_out() -> None:
    async with running_node() as node:
        joined = await node.joined([ADMIN], {7: STRANGER})
        assert joined.resumed == {}
        assert joined.connection.live
        assert not node.observer.outcomes


# --- a client that is ahead of the node ---------------------------------------------------------------------------


async def test_a_client_that_is_ahead_waits_for_the_live_message() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        await source.emit(3)
        ahead = source.write()
        task = asyncio.create_task(node.join([ADMIN], {5: ahead.position}))
        await settle()
        assert not task.done()
        await node.rig.receive(ROOM, ahead)
        await node.rig.time.pass_by(0.5)
        joined = await task
        later = await source.emit()
        assert joined.resumed == {5: True}
        assert joined.got == later


async def test_a_client_that_is_ahead_of_a_lost_message_has_the_room_repaired() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        await source.emit(3)
        source.write()
        ahead = source.write()
        task = asyncio.create_task(node.join([ADMIN], {5: ahead.position}))
        await node.rig.time.pass_by(SETTLE_SECONDS - 1)
        joined = await task
        assert joined.resumed == {5: True}
        assert joined.got == []
        assert node.rig.observer.repairs.total() == 1


async def test_a_client_that_is_ahead_for_too_long_is_told() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        await source.emit(3)
        ahead = source.write()
        node.rig.fanout.permits[ROOM] = 0  # the node is full, so it cannot come on
        task = asyncio.create_task(node.join([ADMIN], {5: ahead.position}))
        await node.rig.time.pass_by(SETTLE_SECONDS + 1)
        joined = await task
        assert joined.resumed == {5: False}
        node.rig.fanout.permits.clear()
        await node.rig.time.pass_by(5)
        assert joined.got == [ahead.position], "what the client has comes again, as it was told"


async def test_a_node_that_has_missed_a_new_history_repairs_it_first() -> None:
    async with running_node() as node:
        source = Source(node)
        earlier = await node.joined([ADMIN], {})
        await source.emit(3)
        node.rig.history.begin_again(ROOM)
        first, _second = source.write(), source.write()
        task = asyncio.create_task(node.join([ADMIN], {5: first.position}))
        await node.rig.time.pass_by(SETTLE_SECONDS - 1)
        joined = await task
        assert joined.resumed == {5: True}
        await joined.take_all()
        assert joined.got == [source.events[-1].position]
        assert earlier.got[-1] == critical_gap(5)


# --- on the way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["trimmed", "expired", "begun again"])
async def test_history_that_is_lost_on_the_way_is_told_and_the_next_branch_goes_on(how: str) -> None:
    async with running_node() as node:
        here, there = Source(node), Source(node, OTHER)
        await node.joined(BOTH, {})
        [first], [other] = await here.emit(), await there.emit()
        missed = await here.emit(RING_EVENTS * 4, size=1_000)
        missed_there = await there.emit(5)
        joined = await node.joined(BOTH, {5: first, 6: other})
        await settle()
        if how == "begun again":
            node.rig.history.begin_again(ROOM)
        else:
            node.rig.history.trim(ROOM, 3 if how == "trimmed" else 0)
        during = await here.emit()
        await joined.take_all()
        gap = joined.got.index(critical_gap(5))
        assert joined.got[:gap] == missed[:gap]
        assert gap < len(missed)
        # Where history was begun again the node announces it to the room too, before what follows.
        rest = [what for what in joined.got[gap + 1 :] if what != critical_gap(5)]
        assert rest[: len(missed_there)] == missed_there
        if how != "begun again":
            assert rest[len(missed_there) :] == during
        assert joined.connection.live
        assert node.observer.outcomes == {ResumeOutcome.GAP: 1, ResumeOutcome.RING: 1}


async def test_an_end_that_others_were_told_of_before_is_no_end() -> None:
    """A read that others began before the last events were written is shared, and does not hold them."""
    history = MemoryRoomHistory()
    events = [history.relay(ROOM, f"{number}-0", b"{}", *ADMIN.audiences) for number in (1, 2)]
    reads, fanout = SharedReads(history), ResumingFanout()
    history.hold_back()
    early = asyncio.create_task(reads.after(ROOM, events[1].position, FIRST_READ))
    await settle()
    events += [history.relay(ROOM, f"{number}-0", b"{}", *ADMIN.audiences) for number in (3, 4)]
    connection = fanout.attach([ADMIN], resuming=True)
    leg = Leg(ROOM, (), events[1].position, events[3].position, ResumeOutcome.HISTORY)
    replay = Replay(connection, [leg], reads, fanout, asyncio.sleep)
    running = asyncio.create_task(replay.run())
    await settle()
    history.let_go()
    assert not (await early).entries
    await running
    assert fanout.connections[connection].got == [event.position for event in events[2:]]
    assert replay.outcomes == [ResumeOutcome.HISTORY]
    await reads.stop()


async def test_redis_that_is_away_on_the_way_is_waited_for() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS * 3, size=1_000)
        joined = await node.joined([ADMIN], {5: positions[0]})
        await settle()
        node.rig.history.away = True
        for _ in range(3):
            await joined.take()
            await node.rig.time.pass_by(3)
        assert not joined.connection.live
        node.rig.history.away = False
        await node.rig.time.pass_by(3)
        await joined.take_all()
        assert joined.got == positions[1:]


async def test_redis_that_is_away_at_the_join_is_an_error_and_leaves_nothing_behind() -> None:
    async with running_node(places=1) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS + 10)
        node.rig.history.away = True
        for _ in range(3):
            with pytest.raises(BrokerError):
                await node.joined([ADMIN], {5: positions[0]})
        node.rig.history.away = False
        joined = await node.joined([ADMIN], {5: positions[0]})
        await joined.take_all()
        assert joined.got == positions[1:]


async def test_a_resume_that_makes_no_end_in_time_is_closed() -> None:
    async with running_node(places=1, replay_seconds=0) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS * 3, size=1_000)
        for closed in (1, 2):  # the place is free again
            joined = await node.joined([ADMIN], {5: positions[0]})
            while joined.connection.closed is None:
                await settle()
                await asyncio.sleep(0.001)
            assert joined.connection.closed == WSCloseCode.SERVER_OVERLOADED
            await settle()
            assert node.observer.outcomes == {ResumeOutcome.TIMED_OUT: closed}
            assert node.observer.running == 0


async def test_a_connection_that_leaves_gives_its_place_back() -> None:
    async with running_node(places=1) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS * 3, size=1_000)
        for left in (1, 2):
            joined = await node.joined([ADMIN], {5: positions[0]})
            if left == 1:
                await settle()
            node.leave(joined.id)
            await settle()
            assert node.observer.outcomes == {ResumeOutcome.LEFT: left}
            assert node.resumes.running == 0


async def test_one_too_many_waits_and_then_gives_up() -> None:
    async with running_node(places=1, place_seconds=0) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS * 3, size=1_000)
        joined = await node.joined([ADMIN], {5: positions[0]})
        with pytest.raises(TooManyResumesError):
            await node.join([ADMIN], {5: positions[0]})
        assert node.observer.outcomes == {ResumeOutcome.TOO_MANY: 1}
        small = await node.joined([ADMIN], {5: positions[-2]})
        assert small.got == positions[-1:], "what is remembered and fits into a page needs no place"
        await joined.take_all()
        assert joined.got == positions[1:]


async def test_one_too_many_goes_on_when_a_place_is_free() -> None:
    async with running_node(places=1) as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS * 3, size=1_000)
        first = await node.joined([ADMIN], {5: positions[0]})
        task = asyncio.create_task(node.join([ADMIN], {5: positions[10]}))
        await settle()
        assert not task.done()
        more = await source.emit()
        await first.take_all()
        second = await task
        await second.take_all()
        assert second.got == positions[11:] + more
        assert first.got == positions[1:] + more


async def test_a_refresh_on_the_way_counts_from_the_next_page_on() -> None:
    async with running_node() as node:
        here, there = Source(node), Source(node, OTHER)
        await node.joined(BOTH, {})
        [first], [other] = await here.emit(), await there.emit()
        missed = await here.emit(RING_EVENTS * 3, size=1_000)
        await there.emit(5)
        joined = await node.joined(BOTH, {5: first, 6: other})
        await settle()
        reads = len(node.rig.history.page_reads)
        joined.connection.memberships = (Membership(OTHER, ("branch:6:kitchen",)),)
        await joined.take_all()
        assert joined.got == missed[: len(joined.connection.pages[0])]
        assert joined.connection.live
        assert len(node.rig.history.page_reads) <= reads + 1, "a branch that is lost is not read any further"


async def test_many_that_come_back_from_the_same_place_are_read_for_once() -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(RING_EVENTS + 100, size=100)
        node.rig.history.hold_back()
        tasks = [asyncio.create_task(node.join([ADMIN], {5: positions[0]})) for _ in range(50)]
        await settle()
        node.rig.history.let_go()
        back = await asyncio.gather(*tasks)
        for joined in back:
            await joined.take_all()
        assert all(joined.got == positions[1:] for joined in back)
        assert len(node.rig.history.page_reads) < 20


async def test_a_fault_of_ours_closes_one_connection_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async with running_node() as node:
        source = Source(node)
        await node.joined([ADMIN], {})
        positions = await source.emit(2)
        node.rig.history.relay(ROOM, "50-0", b"no JSON")
        broken = node.rig.history.events[ROOM][-1]
        await node.rig.receive(ROOM, broken)
        joined = await node.joined([ADMIN], {5: positions[0]})
        assert joined.connection.closed == WSCloseCode.SERVER_ERROR
        assert "resuming failed" in caplog.text


async def test_two_nodes_of_one_history_give_the_same() -> None:
    time, history = FakeTime(), MemoryRoomHistory()
    one, two = Node(time, history), Node(time, history)
    for node in (one, two):
        await node.start()
    try:
        source = Source(one)
        joined = await one.joined([ADMIN], {})
        positions = await source.emit(5)
        assert joined.got == positions
        back = await two.joined([ADMIN], {5: positions[1]})
        await back.take_all()
        assert back.got == positions[2:]
        assert json.loads(back.connection.pages[0][0].payload)["n"] == 3
    finally:
        for node in (one, two):
            await node.stop()
