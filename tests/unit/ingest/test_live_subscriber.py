from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.fanout.base import Submission
from gateway.ingest.live_base import REPAIR_CAUSES, RepairCause
from gateway.ingest.live_interest import LINGER_SECONDS
from gateway.ingest.live_subscriber import CHECK_SECONDS
from gateway.ingest.pace import BATCH_EVENTS
from gateway.ingest.room_check import GRACE_SECONDS
from gateway.ingest.room_cursor import PENDING_EVENTS
from gateway.ingest.room_repair import CONCURRENT_READS
from gateway.protocol.keys import live_channel
from gateway.protocol.live import BestEffortEvent
from gateway.protocol.positions import ZERO
from gateway.types import Room
from tests.support.live_rig import LiveRig
from tests.support.settle import settle

ROOM, OTHER = Room(7, 5), Room(8, 5)
ADMIN = ("branch:5:admin",)


@asynccontextmanager
async def live(*rooms: Room) -> AsyncIterator[LiveRig]:
    """A subscriber that is connected and follows these rooms."""
    rig = LiveRig()
    await rig.subscriber.start()
    await rig.answer()
    assert rig.subscriber.live
    await rig.occupy(*rooms)
    try:
        yield rig
    finally:
        await rig.subscriber.stop()


async def test_critical_events_are_submitted_in_order_with_their_positions_and_audiences() -> None:
    async with live(ROOM) as rig:
        first = rig.history.relay(ROOM, "1700000000250-0", b"{1}", "branch:5:kitchen", "session:77")
        second = rig.history.relay(ROOM, "1700000000251-0", b"{2}")
        await rig.receive(ROOM, first, second)
        assert rig.fanout.passed == [
            Submission(ROOM, ("branch:5:kitchen", "session:77"), b"{1}", first.position, 1700000000.25, "live"),
            Submission(ROOM, ADMIN, b"{2}", second.position, 1700000000.251, "live"),
        ], "its id says when a critical event began"

        assert rig.fanout.batches == 1
        assert rig.interest.position(ROOM) == second.position
        assert rig.observer.received == {"live": 2}
        assert rig.observer.submitted == 2
        assert not rig.observer.repairs
        assert rig.history.page_reads == []


async def test_the_head_is_read_after_the_subscription_is_confirmed_and_all_heads_at_once() -> None:
    rig = LiveRig()
    await rig.subscriber.start()
    await settle()
    rig.connection.answer()
    await settle()
    rig.interest.on_rooms([ROOM, OTHER], ())
    await settle()
    assert rig.connection.written == {live_channel(ROOM), live_channel(OTHER)}
    assert rig.history.head_reads == []
    await rig.answer()
    assert [set(rooms) for rooms in rig.history.head_reads] == [{ROOM, OTHER}]
    await rig.subscriber.stop()


async def test_what_was_relayed_before_the_node_came_is_not_submitted() -> None:
    rig = LiveRig()
    old = rig.history.relay(ROOM, "1-0", b"{1}")
    await rig.subscriber.start()
    await rig.answer()
    await rig.occupy(ROOM)
    assert rig.interest.position(ROOM) == old.position
    await rig.receive(ROOM, rig.history.relay(ROOM, "2-0", b"{2}"))
    assert rig.fanout.payloads(ROOM) == [b"{2}"]
    await rig.subscriber.stop()


async def test_what_comes_while_the_head_is_being_read_is_submitted_once_and_without_a_repair() -> None:
    async with live() as rig:
        rig.history.hold_back()
        rig.interest.on_rooms([ROOM], ())
        before = rig.history.relay(ROOM, "1-0", b"{1}")
        await rig.answer()
        await rig.receive(ROOM, before, rig.history.relay(ROOM, "2-0", b"{2}"))
        assert rig.fanout.passed == []
        rig.history.let_go()
        await settle()
        assert rig.fanout.payloads(ROOM) == [b"{2}"], "the first is what the head stands for"
        assert not rig.observer.repairs


async def test_more_than_is_kept_while_the_head_is_being_read_comes_from_history() -> None:
    async with live() as rig:
        rig.history.hold_back()
        rig.interest.on_rooms([ROOM], ())
        await rig.answer()
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, PENDING_EVENTS + 11)]
        await rig.receive(ROOM, *events)
        rig.history.let_go()
        await settle()
        # The head was read before the first of them: the room had none, and now none of ZERO's successors is sure.
        assert rig.observer.repairs == {RepairCause.BACKLOG: 1}
        assert rig.observer.gaps == 1
        assert rig.interest.position(ROOM) == events[-1].position


async def test_a_lost_message_is_repaired_from_history_before_its_successor() -> None:
    async with live(ROOM) as rig:
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 6)]
        await rig.receive(ROOM, events[0])
        await rig.receive(ROOM, events[3], events[4])
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}", b"{4}", b"{5}"]
        assert rig.observer.repairs == {RepairCause.LOST_MESSAGE: 1}
        assert rig.observer.gaps == 0


async def test_what_comes_while_history_is_read_waits_and_comes_once() -> None:
    async with live(ROOM) as rig:
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 4)]
        await rig.receive(ROOM, events[0])
        rig.history.hold_back()
        await rig.receive(ROOM, events[2])
        later = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(4, 6)]
        await rig.receive(ROOM, events[1], *later)
        assert rig.fanout.payloads(ROOM) == [b"{1}"]
        rig.history.let_go()
        await settle()
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}", b"{4}", b"{5}"]
        assert len(rig.history.page_reads) == 1, "what came meanwhile followed by itself"


async def test_rooms_do_not_wait_for_one_another() -> None:
    async with live(ROOM, OTHER) as rig:
        rig.history.relay(ROOM, "1-0", b"{lost}")
        rig.history.hold_back()
        await rig.receive(ROOM, rig.history.relay(ROOM, "2-0", b"{2}"))
        await rig.receive(OTHER, rig.history.relay(OTHER, "1-0", b"{other}"))
        assert rig.fanout.payloads(OTHER) == [b"{other}"]
        assert rig.fanout.payloads(ROOM) == []
        rig.history.let_go()


async def test_a_long_absence_is_read_in_pages() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(2, 2 * BATCH_EVENTS + 12)]
        await rig.receive(ROOM, events[-1])
        assert rig.fanout.payloads(ROOM) == [b"{%d}" % n for n in range(1, 2 * BATCH_EVENTS + 12)]
        assert [limit for _, _, limit in rig.history.page_reads] == [BATCH_EVENTS] * 3


async def test_a_message_that_comes_again_is_not_submitted_again() -> None:
    async with live(ROOM) as rig:
        first, second = rig.history.relay(ROOM, "1-0", b"{1}"), rig.history.relay(ROOM, "2-0", b"{2}")
        await rig.receive(ROOM, first, second, first, second)
        await rig.receive(ROOM, first)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}"]
        assert not rig.observer.repairs


async def test_the_last_event_of_a_quiet_room_is_found_by_the_check() -> None:
    async with live(ROOM, OTHER) as rig:
        rig.history.head_reads.clear()
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.relay(ROOM, "2-0", b"{2}")  # its live message is lost
        await rig.time.pass_by(CHECK_SECONDS - 0.5)
        assert rig.history.head_reads == []
        await rig.time.pass_by(0.5 + GRACE_SECONDS)
        assert [set(rooms) for rooms in rig.history.head_reads] == [{ROOM, OTHER}], "one pipeline for all rooms"
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}"]
        assert rig.observer.repairs == {RepairCause.CHECK: 1}


async def test_a_message_that_is_still_on_its_way_is_no_reason_to_read_history() -> None:
    async with live(ROOM) as rig:
        event = rig.history.relay(ROOM, "1-0", b"{1}")
        await rig.time.pass_by(CHECK_SECONDS)
        await rig.receive(ROOM, event, rig.history.relay(ROOM, "2-0", b"{2}"))
        await rig.time.pass_by(GRACE_SECONDS)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}"]
        assert rig.history.page_reads == []


async def test_a_position_that_is_not_known_any_more_is_a_gap_and_the_head_is_adopted() -> None:
    async with live(ROOM, OTHER) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        for number in range(2, 5):
            rig.history.relay(ROOM, f"{number}-0", b"{lost}")
        rig.history.trim(ROOM, 1)
        last = rig.history.relay(ROOM, "5-0", b"{5}")
        await rig.receive(ROOM, last)
        [announcement] = rig.fanout.announcements
        assert announcement.room == ROOM
        assert json.loads(announcement.text) == {"type": "gap", "branch": 5, "critical": True}
        assert announcement.position == last.position
        assert rig.interest.position(ROOM) == last.position
        assert rig.observer.gaps == 1
        await rig.receive(ROOM, rig.history.relay(ROOM, "6-0", b"{6}"))
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{6}"]
        assert rig.interest.position(OTHER) == ZERO


async def test_after_a_failover_repeats_are_recognised_and_new_events_follow() -> None:
    async with live(ROOM) as rig:
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 4)]
        await rig.receive(ROOM, *events)
        rig.history.begin_again(ROOM)
        again = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 4)]
        await rig.receive(ROOM, *again, rig.history.relay(ROOM, "4-0", b"{4}"))
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}", b"{4}"]
        assert not rig.observer.repairs


async def test_after_a_failover_that_lost_events_the_room_is_told() -> None:
    async with live(ROOM) as rig:
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 4)]
        await rig.receive(ROOM, *events)
        rig.history.begin_again(ROOM)
        await rig.receive(ROOM, rig.history.relay(ROOM, "2-1", b"{other}"))
        assert rig.observer.gaps == 1
        assert rig.interest.position(ROOM) == rig.history.head[ROOM]


async def test_a_critical_event_without_a_permit_is_not_dropped_its_room_is_behind() -> None:
    async with live(ROOM, OTHER) as rig:
        rig.fanout.permits[ROOM] = 1
        events = [rig.history.relay(ROOM, f"{n}-0", b"{%d}" % n) for n in range(1, 5)]
        await rig.receive(ROOM, *events)
        assert rig.fanout.payloads(ROOM) == [b"{1}"]
        assert rig.interest.position(ROOM) == events[0].position
        assert rig.subscriber.behind == rig.observer.behind == 1
        await rig.receive(OTHER, rig.history.relay(OTHER, "1-0", b"{other}"))
        assert rig.fanout.payloads(OTHER) == [b"{other}"]
        await rig.receive(ROOM, rig.history.relay(ROOM, "5-0", b"{5}"))
        rig.fanout.permits[ROOM] = 2
        await rig.time.pass_by(1)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}"]
        assert rig.observer.behind == 1
        rig.fanout.permits.clear()
        await rig.time.pass_by(2)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}", b"{4}", b"{5}"]
        assert rig.observer.behind == 0
        assert rig.observer.repairs == {RepairCause.QUEUE_FULL: 1}
        assert not rig.observer.dropped
        assert rig.drop_rate.share() == 0


async def test_a_gap_that_finds_no_permit_is_told_later_and_nothing_goes_before_it() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.relay(ROOM, "2-0", b"{lost}")
        rig.history.trim(ROOM, 0)
        rig.fanout.permits[ROOM] = 0
        await rig.receive(ROOM, rig.history.relay(ROOM, "3-0", b"{3}"))
        assert rig.observer.gaps == 0
        assert rig.observer.behind == 1
        rig.fanout.permits.clear()
        await rig.time.pass_by(1)
        await rig.receive(ROOM, rig.history.relay(ROOM, "4-0", b"{4}"))
        assert rig.observer.gaps == 1
        assert [type(item).__name__ for item in rig.fanout.passed] == ["Submission", "Announcement", "Submission"]


async def test_best_effort_events_of_the_api_pass_byte_for_byte_and_are_dropped_when_there_is_no_permit() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, BestEffortEvent(ADMIN, b'{ "a": 1 }'))
        assert rig.fanout.passed == [Submission(ROOM, ADMIN, b'{ "a": 1 }', None, rig.time.time(), "live")]
        rig.fanout.permits[ROOM] = 0
        await rig.receive(ROOM, BestEffortEvent(ADMIN, b"{2}"), BestEffortEvent(ADMIN, b"{3}"))
        assert rig.observer.dropped == {"queue_full": 2}
        assert rig.observer.tenants == {ROOM.tenant: 3}
        assert rig.observer.tenants_dropped == {ROOM.tenant: 2}
        assert rig.drop_rate.share() == 2 / 3
        assert rig.interest.position(ROOM) == ZERO
        assert not rig.observer.repairs


async def test_a_best_effort_event_does_not_wait_for_a_repair() -> None:
    async with live(ROOM) as rig:
        rig.history.relay(ROOM, "1-0", b"{lost}")
        rig.history.hold_back()
        await rig.receive(ROOM, rig.history.relay(ROOM, "2-0", b"{2}"), BestEffortEvent(ADMIN, b"{cart}"))
        assert rig.fanout.payloads(ROOM) == [b"{cart}"]
        rig.history.let_go()


async def test_what_cannot_be_read_is_counted_and_repaired_like_a_lost_message() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.relay(ROOM, "2-0", b"{2}")
        rig.connection.publish((live_channel(ROOM), b"2 of another version\n{}"))
        await rig.receive(ROOM, rig.history.relay(ROOM, "3-0", b"{3}"))
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}"]
        assert rig.observer.dropped == {"bad_shape": 1}
        assert rig.observer.received["live"] == 3


async def test_a_lost_connection_loses_no_critical_event() -> None:
    async with live(ROOM, OTHER) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.connection.cut()
        await settle()
        assert not rig.subscriber.live
        rig.history.relay(ROOM, "2-0", b"{2}")
        await rig.time.pass_by(3)
        await rig.answer()
        assert rig.subscriber.live
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}"]
        assert rig.observer.repairs == {RepairCause.CHECK: 1}, "the other room had missed nothing"
        assert rig.observer.interruptions == 1
        assert rig.observer.outages == [3]


async def test_a_room_that_cannot_be_read_is_read_again_until_it_can() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.relay(ROOM, "2-0", b"{2}")
        rig.history.away = True
        await rig.receive(ROOM, rig.history.relay(ROOM, "3-0", b"{3}"))
        await rig.time.pass_by(30)
        assert rig.fanout.payloads(ROOM) == [b"{1}"]
        assert rig.observer.repairs == {RepairCause.LOST_MESSAGE: 1}, "one repair, however many attempts"
        assert 3 < len(rig.history.page_reads) < 300
        rig.history.away = False
        await rig.time.pass_by(10)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}"]


async def test_heads_that_cannot_be_read_are_read_again_and_nobody_is_let_in_before() -> None:
    async with live() as rig:
        rig.history.away = True
        entering = asyncio.create_task(rig.interest.hold([ROOM]).__aenter__())
        await rig.answer()
        await rig.time.pass_by(5)
        assert not entering.done()
        rig.history.away = False
        await rig.time.pass_by(2)
        assert entering.done()
        await entering


async def test_an_outage_of_the_heads_is_two_lines_in_the_log_however_often_they_are_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with live() as rig:
        with caplog.at_level(logging.INFO, "gateway.ingest"):
            for room in (ROOM, OTHER):
                rig.history.away = True
                entering = asyncio.create_task(rig.interest.hold([room]).__aenter__())
                await rig.answer()
                await rig.time.pass_by(5)
                rig.history.away = False
                await rig.time.pass_by(2)
                await entering
    heads = [record.getMessage() for record in caplog.records if "the heads of" in record.getMessage()]
    assert [("cannot be read" in line, "again" in line) for line in heads] == [(True, True), (False, True)] * 2


async def test_a_check_that_fails_is_logged_and_the_next_one_repairs(caplog: pytest.LogCaptureFixture) -> None:
    async with live(ROOM) as rig:
        rig.history.relay(ROOM, "1-0", b"{1}")
        rig.history.begin_again(ROOM)
        rig.history.away = True
        with caplog.at_level(logging.WARNING, "gateway.ingest"):
            await rig.time.pass_by(CHECK_SECONDS)
        assert "cannot be checked" in caplog.text
        rig.history.away = False
        head = rig.history.relay(ROOM, "2-0", b"{2}")
        await rig.time.pass_by(CHECK_SECONDS + 2 * GRACE_SECONDS)
        assert rig.interest.position(ROOM) == head.position
        assert rig.observer.gaps == 1


async def test_a_room_is_left_a_minute_after_its_last_member_and_its_repair_ends() -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.away = True
        rig.history.relay(ROOM, "2-0", b"{2}")
        await rig.receive(ROOM, rig.history.relay(ROOM, "3-0", b"{3}"))
        rig.interest.on_rooms((), [ROOM])
        await rig.time.pass_by(LINGER_SECONDS - 1)
        assert rig.connection.written == {live_channel(ROOM)}
        await rig.time.pass_by(1)
        assert rig.connection.written == set()
        rig.history.away = False
        await rig.receive(ROOM, rig.history.relay(ROOM, "4-0", b"{4}"))  # on its way when the room was left
        await rig.time.pass_by(60)
        assert rig.fanout.payloads(ROOM) == [b"{1}"]
        assert [task for task in asyncio.all_tasks() if "repair" in task.get_name()] == []


async def test_a_room_that_is_left_while_it_waits_for_its_turn_is_not_read() -> None:
    rooms = [Room(7, branch) for branch in range(1, CONCURRENT_READS + 2)]
    async with live(*rooms) as rig:
        for room in rooms:
            await rig.receive(room, rig.history.relay(room, "1-0", b"{1}"))
            rig.history.relay(room, "2-0", b"{lost}")
        rig.history.hold_back()
        for room in rooms:
            await rig.receive(room, rig.history.relay(room, "3-0", b"{3}"))
        assert len(rig.history.page_reads) == CONCURRENT_READS
        rig.interest.on_rooms((), [rooms[-1]])
        rig.time.advance(LINGER_SECONDS)
        rig.interest.expire()
        rig.history.let_go()
        await settle()
        assert len(rig.history.page_reads) == CONCURRENT_READS
        assert rig.fanout.payloads(rooms[0]) == [b"{1}", b"{lost}", b"{3}"]
        assert rig.fanout.payloads(rooms[-1]) == [b"{1}"]
        assert [task for task in asyncio.all_tasks() if "repair" in task.get_name()] == []


async def test_a_fault_of_ours_loses_nothing_and_is_logged_in_full(caplog: pytest.LogCaptureFixture) -> None:
    async with live(ROOM) as rig:
        rig.fanout.fault = ZeroDivisionError("a fault in the core")
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"), rig.history.relay(ROOM, "2-0", b"{2}"))
        assert "ZeroDivisionError: a fault in the core" in caplog.text
        assert rig.interest.position(ROOM) == ZERO
        rig.fanout.fault = None
        await rig.time.pass_by(3)
        await rig.answer()
        assert rig.subscriber.live
        await rig.time.pass_by(CHECK_SECONDS)
        # ZERO is known only while a room has no head: the members are told, which is not losing in silence.
        assert rig.observer.gaps == 1


async def test_a_fault_while_a_room_is_read_is_logged_and_the_room_is_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with live(ROOM) as rig:
        await rig.receive(ROOM, rig.history.relay(ROOM, "1-0", b"{1}"))
        rig.history.relay(ROOM, "2-0", b"{2}")
        rig.history.hold_back()
        await rig.receive(ROOM, rig.history.relay(ROOM, "3-0", b"{3}"))
        rig.fanout.fault = ZeroDivisionError("a fault in the core")
        rig.history.let_go()
        await settle()
        assert "reading a room failed" in caplog.text
        rig.fanout.fault = None
        await rig.time.pass_by(10)
        assert rig.fanout.payloads(ROOM) == [b"{1}", b"{2}", b"{3}"]


async def test_stop_ends_every_task_and_may_be_called_twice() -> None:
    async with live(ROOM) as rig:
        rig.history.relay(ROOM, "1-0", b"{lost}")
        rig.history.hold_back()
        await rig.receive(ROOM, rig.history.relay(ROOM, "2-0", b"{2}"))
        await rig.subscriber.stop()
        await rig.subscriber.stop()
        assert rig.connection.closed
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_every_cause_is_explained() -> None:
    assert REPAIR_CAUSES.keys() == set(RepairCause)
