from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import BrokerError
from gateway.ingest.resume_base import PAGE_BYTES
from gateway.ingest.shared_reads import CONCURRENT_READS, FIRST_READ, MOST_EVENTS, ReadSize, SharedReads
from gateway.protocol.positions import Position
from gateway.types import Room
from tests.support.memory_history import MemoryRoomHistory
from tests.support.settle import settle

ROOM = Room(7, 5)


@pytest.fixture
async def history() -> MemoryRoomHistory:
    return MemoryRoomHistory()


@pytest.fixture
async def reads(history: MemoryRoomHistory) -> AsyncIterator[SharedReads]:
    opened = SharedReads(history)
    yield opened
    await opened.stop()


def fill(history: MemoryRoomHistory, count: int, size: int = 10) -> list[Position]:
    return [history.relay(ROOM, f"{n}-0", b"{%d}" % n + b" " * size).position for n in range(1, count + 1)]


async def test_equal_reads_at_the_same_time_are_one(history: MemoryRoomHistory, reads: SharedReads) -> None:
    first, second, _ = fill(history, 3)
    history.hold_back()
    waiting = [asyncio.create_task(reads.after(ROOM, first, 5)) for _ in range(10)]
    other = asyncio.create_task(reads.after(ROOM, second, 5))
    await settle()
    history.let_go()
    pages = await asyncio.gather(*waiting)
    assert len({id(page) for page in pages}) == 1
    assert len((await other).entries) == 1
    assert [position for _, position, _ in history.page_reads] == [first, second]
    assert len((await reads.after(ROOM, first, 5)).entries) == 2
    assert len(history.page_reads) == 3, "nothing is remembered"


async def test_who_must_know_anew_does_not_get_an_answer_from_before(
    history: MemoryRoomHistory, reads: SharedReads
) -> None:
    [first] = fill(history, 1)
    history.hold_back()
    old = asyncio.create_task(reads.after(ROOM, first, 5))
    await settle()
    history.relay(ROOM, "2-0", b"{2}")
    shared = asyncio.create_task(reads.after(ROOM, first, 5))
    anew = asyncio.create_task(reads.after(ROOM, first, 5, anew=True))
    later = asyncio.create_task(reads.after(ROOM, first, 5))
    await settle()
    history.let_go()
    assert [len((await task).entries) for task in (old, shared, anew, later)] == [0, 0, 1, 1]


async def test_one_that_gives_up_does_not_end_it_for_the_others(history: MemoryRoomHistory, reads: SharedReads) -> None:
    first, _ = fill(history, 2)
    history.hold_back()
    leaver, stayer = (asyncio.create_task(reads.after(ROOM, first, 5)) for _ in range(2))
    await settle()
    leaver.cancel()
    await settle()
    history.let_go()
    assert len((await stayer).entries) == 1


async def test_everybody_hears_that_redis_is_away_and_nobody_is_missed(
    history: MemoryRoomHistory, reads: SharedReads
) -> None:
    [first] = fill(history, 1)
    history.away = True
    for outcome in await asyncio.gather(*(reads.after(ROOM, first, 5) for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, BrokerError)
    lonely = asyncio.create_task(reads.after(ROOM, first, 5))
    await asyncio.sleep(0)
    lonely.cancel()
    await settle()  # an error that nobody had seen would be an unraisable one, and fail the test


async def test_reads_wait_for_their_turn(history: MemoryRoomHistory, reads: SharedReads) -> None:
    positions = fill(history, CONCURRENT_READS + 2)
    history.hold_back()
    tasks = [asyncio.create_task(reads.after(ROOM, position, 5)) for position in positions]
    await settle()
    assert len(history.page_reads) == CONCURRENT_READS
    history.let_go()
    await asyncio.gather(*tasks)
    assert len(history.page_reads) == CONCURRENT_READS + 2


async def test_no_more_than_a_page_of_bytes_is_kept_but_one_event(
    history: MemoryRoomHistory, reads: SharedReads
) -> None:
    positions = fill(history, 6, size=PAGE_BYTES // 2 - 10)
    page = await reads.after(ROOM, positions[0], 5)
    assert [event.position for event in page.entries] == positions[1:3]
    assert page.more
    history.relay(ROOM, "7-0", b"{7}" + b" " * 2 * PAGE_BYTES)
    page = await reads.after(ROOM, positions[-1], 5)
    assert len(page.entries) == 1
    assert not page.more


async def test_what_is_kept_is_read_from_its_beginning(history: MemoryRoomHistory, reads: SharedReads) -> None:
    assert await reads.kept(ROOM, 5) == (True, (), False, "0-0")
    positions = fill(history, 6)
    history.trim(ROOM, 4)
    page = await reads.kept(ROOM, 3)
    assert [event.position for event in page.entries] == positions[2:5]
    assert page.more
    assert page.head == positions[-1]


def test_reads_grow_and_shrink_with_the_size_of_events() -> None:
    history, size = MemoryRoomHistory(), ReadSize()
    assert size.limit == FIRST_READ
    size.learn([history.relay(ROOM, "1-0", b"{}")])
    assert size.limit == MOST_EVENTS
    size.learn([])
    assert size.limit == MOST_EVENTS
    size.learn([history.relay(ROOM, "2-0", b" " * 1_024)])
    assert size.limit == PAGE_BYTES // 1_024
    size.learn([history.relay(ROOM, "3-0", b" " * PAGE_BYTES)])
    assert size.limit == 1
