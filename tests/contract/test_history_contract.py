"""What `streams_base` promises of rooms, asked of a real server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.broker.redis import create_broker
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.streams_base import RelayEntry, RoomBatch
from gateway.errors import BrokerError
from gateway.protocol.keys import fence_key, head_key, history_key, live_channel
from gateway.protocol.live import CriticalEvent, decode_live
from gateway.protocol.positions import BEGUN_AGAIN, ZERO, Position, position_of
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import Room, SystemClock
from tests.support.kinds import Place

AUDIENCES = ("branch:5:admin", "session:77")
_branches = itertools.count(1)


@pytest.fixture
async def history(place: Place) -> AsyncIterator[RedisHistory]:
    commands = RedisCommands(place.url, CircuitBreaker("commands", SystemClock()))
    yield RedisHistory(commands, events=4, history_seconds=100, head_seconds=1_000)
    await commands.close()


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Any]:
    async with place.plain() as client:
        yield client


@asynccontextmanager
async def listening(place: Place, room: Room) -> AsyncIterator[Any]:
    """A plain subscription to the room's live channel, at the master that owns it."""
    broker = create_broker(place.url)
    connection = await broker.pubsub()
    await connection.ssubscribe([live_channel(room)])
    assert (await connection.read()).subscribed == [live_channel(room)]
    heard: list[bytes] = []

    async def next_event() -> CriticalEvent:
        async with asyncio.timeout(5):
            while not heard:
                heard.extend(message.payload for message in (await connection.read()).messages)
        event = decode_live(heard.pop(0))
        assert isinstance(event, CriticalEvent)
        return event

    yield next_event
    await connection.close()
    await broker.close()


@pytest.fixture
def room() -> Room:
    return Room(4_711, next(_branches))


def payload(number: int) -> bytes:
    return b'{"n":%d,"bytes":"\xc3\xa9\\n"}' % number


def entry(number: int, content: int | None = None) -> RelayEntry:
    return RelayEntry(f"{number}-0", AUDIENCES, payload(number if content is None else content))


def at(number: int, content: int | None = None) -> Position:
    return position_of(f"{number}-0", payload(number if content is None else content))


async def relay(history: RedisHistory, room: Room, *entries: RelayEntry, fence: int = 1, refeed: bool = False) -> Any:
    (result,) = await history.relay([RoomBatch(room, entries)], fence=fence, refeed=refeed)
    return tuple(result)


async def kept(history: RedisHistory, room: Room, position: Position) -> list[str] | None:
    page = await history.after(room, position, 10)
    return [event.position for event in page.entries] if page.known else None


async def test_what_is_kept_is_given_from_its_beginning(history: RedisHistory, redis: Redis, room: Room) -> None:
    assert await history.kept(room, 10) == (True, (), False, ZERO)
    await relay(history, room, *(entry(number) for number in (1, 2)))
    await relay(history, room, *(entry(number) for number in (3, 4, 5)))
    page = await history.kept(room, 3)
    assert [event.position for event in page.entries] == [at(2), at(3), at(4)], "its cap is four"
    assert page.entries[0].prev == at(1)
    assert (page.known, page.more, page.head) == (True, True, at(5))
    assert not (await history.kept(room, 4)).more
    await redis.delete(history_key(room))
    assert await history.kept(room, 3) == (True, (), False, at(5))
    await redis.xadd(history_key(room), {"strange": "entry"})
    assert await history.kept(room, 3) == (False, (), False, at(5)), "not written by a relay: nothing can be said"


async def test_events_are_kept_with_what_was_before_them_and_published_the_same(
    history: RedisHistory, redis: Redis, room: Room, place: Place
) -> None:
    expected = [CriticalEvent(at(1), ZERO, AUDIENCES, payload(1)), CriticalEvent(at(2), at(1), AUDIENCES, payload(2))]
    async with listening(place, room) as next_event:
        assert await relay(history, room, entry(1), entry(2)) == (2, 0, 0, 0, None)
        assert [await next_event() for _ in expected] == expected
    assert [fields for _, fields in await redis.xrange(history_key(room))] == [
        {b"event": event.payload, b"prev": event.prev.encode(), b"audiences": b"branch:5:admin,session:77"}
        for event in expected
    ]
    assert (await history.after(room, at(1), 10)).entries == (expected[1],)


async def test_repeating_a_batch_changes_and_publishes_nothing(
    history: RedisHistory, redis: Redis, room: Room, place: Place
) -> None:
    await relay(history, room, entry(1), entry(2), entry(3))
    before = await redis.xrange(history_key(room))
    async with listening(place, room) as next_event:
        assert await relay(history, room, entry(1), entry(2), entry(3)) == (0, 3, 0, 0, None)
        assert await relay(history, room, entry(2), entry(3), entry(4)) == (1, 2, 0, 0, None)
        assert (await next_event()).payload == payload(4)
    assert (await redis.xrange(history_key(room)))[:3] == before


async def test_every_key_is_bounded_and_the_head_outlives_history(
    history: RedisHistory, redis: Redis, room: Room
) -> None:
    await relay(history, room, *(entry(number) for number in range(1, 8)))
    assert await redis.xlen(history_key(room)) == 4
    assert 90_000 < await redis.pttl(history_key(room)) <= 100_000
    assert 900_000 < await redis.pttl(head_key(room)) <= 1_000_000
    assert 900_000 < await redis.pttl(fence_key(room)) <= 1_000_000
    assert await kept(history, room, at(3)) == [at(4), at(5), at(6), at(7)]
    assert await kept(history, room, at(2)) is None
    await redis.delete(history_key(room))
    assert await relay(history, room, entry(7)) == (0, 1, 0, 0, None), "the head alone says that it is a repeat"
    assert await relay(history, room, entry(8)) == (1, 0, 0, 0, None)
    assert await kept(history, room, at(7)) == [at(8)]


async def test_a_source_that_went_back_begins_history_again(history: RedisHistory, redis: Redis, room: Room) -> None:
    await relay(history, room, entry(1), entry(3), entry(5))
    assert await relay(history, room, entry(4)) == (1, 0, 0, 1, None)
    assert [fields[b"prev"] for _, fields in await redis.xrange(history_key(room))] == [BEGUN_AGAIN.encode()]
    assert await history.heads([room]) == [at(4)]
    assert await kept(history, room, at(3)) is None
    assert await relay(history, room, entry(5)) == (1, 0, 0, 0, None)
    assert await kept(history, room, at(4)) == [at(5)]


async def test_the_same_id_with_another_payload_begins_history_again(history: RedisHistory, room: Room) -> None:
    await relay(history, room, entry(1), entry(2))
    assert await relay(history, room, entry(2, content=99)) == (1, 0, 0, 1, None)
    assert await kept(history, room, at(2)) is None
    assert await kept(history, room, at(2, content=99)) == []


async def test_a_refeed_skips_what_history_no_longer_keeps(history: RedisHistory, redis: Redis, room: Room) -> None:
    everything = [entry(number) for number in range(1, 8)]
    await relay(history, room, *everything)
    assert await relay(history, room, *everything, refeed=True) == (0, 4, 3, 0, None)
    await redis.delete(history_key(room))
    assert await relay(history, room, *everything, refeed=True) == (0, 1, 6, 0, None)
    await redis.delete(head_key(room))
    assert await relay(history, room, *everything, refeed=True) == (7, 0, 0, 0, None)


@pytest.mark.parametrize("lost", ["head", "head is another", "head is no position", "head is a list"])
async def test_without_its_head_history_is_begun_again(
    history: RedisHistory, redis: Redis, room: Room, lost: str
) -> None:
    await relay(history, room, entry(1), entry(2))
    await redis.delete(head_key(room))
    if lost == "head is another":
        await redis.set(head_key(room), at(1))
    elif lost == "head is no position":
        await redis.set(head_key(room), "\xff")
    elif lost == "head is a list":
        await redis.lpush(head_key(room), "x")
    assert await relay(history, room, entry(3)) == (1, 0, 0, 1, None)
    assert (await redis.xrange(history_key(room)))[0][1][b"prev"] == BEGUN_AGAIN.encode()
    assert await kept(history, room, at(2)) is None
    assert await kept(history, room, at(3)) == []


async def test_a_history_of_another_type_is_begun_again(history: RedisHistory, redis: Redis, room: Room) -> None:
    await redis.set(history_key(room), "not a stream")
    assert await relay(history, room, entry(1)) == (1, 0, 0, 0, None)
    assert await history.heads([room]) == [at(1)]


async def test_an_earlier_lease_writes_nothing_after_a_later_one(
    history: RedisHistory, redis: Redis, room: Room
) -> None:
    await relay(history, room, entry(1), fence=3)
    assert await relay(history, room, entry(2), fence=2) == (0, 0, 0, 0, 3)
    assert await history.heads([room]) == [at(1)]
    assert await relay(history, room, entry(2), fence=3) == (1, 0, 0, 0, None)
    assert await relay(history, room, entry(3), fence=10) == (1, 0, 0, 0, None)


async def test_many_rooms_are_one_call_and_none_touches_another(history: RedisHistory, redis: Redis) -> None:
    rooms = [Room(4_712, next(_branches)) for _ in range(50)]
    await redis.script_flush()  # the server does not know the script: every room must be run again, once
    batches = [RoomBatch(room, [entry(number)]) for number, room in enumerate(rooms, 1)]
    results = await history.relay(batches, fence=1, refeed=False)
    assert [result.added for result in results] == [1] * 50
    assert await history.heads([*rooms, Room(4_712, 9_999_999)]) == [*(at(n) for n in range(1, 51)), None]
    assert await history.relay([], fence=1, refeed=False) == []
    assert await history.heads([]) == []


async def test_ids_of_64_bits_compare_as_integers(history: RedisHistory, room: Room) -> None:
    ids = ["9-9", "9-10", "10-0", "9007199254740993-0", "9007199254740993-18446744073709551614"]
    entries = [RelayEntry(number, AUDIENCES, payload(1)) for number in ids]
    assert await relay(history, room, *entries[:4]) == (4, 0, 0, 0, None)
    assert await relay(history, room, entries[4]) == (1, 0, 0, 0, None)
    assert await kept(history, room, position_of("9-10", payload(1))) == [
        position_of(number, payload(1)) for number in ids[2:]
    ]


async def test_pages_follow_each_other_to_the_head(history: RedisHistory, room: Room) -> None:
    await relay(history, room, entry(1), entry(2), entry(3), entry(4))
    first = await history.after(room, at(1), 2)
    assert ([event.position for event in first.entries], first.more, first.head) == ([at(2), at(3)], True, at(4))
    second = await history.after(room, first.entries[-1].position, 2)
    assert ([event.position for event in second.entries], second.more) == ([at(4)], False)


async def test_a_room_that_never_had_an_event(history: RedisHistory, room: Room) -> None:
    assert await history.after(room, ZERO, 5) == (True, (), False, ZERO)
    assert await history.after(room, at(1), 5) == (False, (), False, ZERO)


async def test_a_history_that_nobody_can_read_is_unknown(history: RedisHistory, redis: Redis, room: Room) -> None:
    await relay(history, room, entry(1))
    await redis.xadd(history_key(room), {"foreign": "x"}, id="2-0")
    assert await history.after(room, at(1), 5) == (False, (), False, at(1))


async def test_what_is_not_asked_properly_is_refused(history: RedisHistory, room: Room) -> None:
    for position, limit in ((at(1), 0), (Position("1-0"), 5), (Position("x"), 5)):
        with pytest.raises(ValueError, match="expected a position"):
            await history.after(room, position, limit)
    with pytest.raises(ValueError, match="at least 2"):
        RedisHistory(RedisCommands("redis://127.0.0.1", CircuitBreaker("x", SystemClock())), events=1)


async def test_history_is_read_in_one_moment(history: RedisHistory, redis: Redis, room: Room) -> None:
    """While it is begun again over and over, no page mixes two histories."""

    async def flip() -> None:
        for number in range(40):
            await redis.delete(history_key(room), head_key(room))
            await relay(history, room, entry(1, content=number), entry(2, content=number))

    flipping = asyncio.create_task(flip())
    while not flipping.done():
        for number in range(0, 40, 7):
            page = await history.after(room, at(1, content=number), 5)
            assert [event.payload for event in page.entries] in ([], [payload(number)])
    await flipping


async def test_a_server_that_is_away_is_our_own_error() -> None:
    commands = RedisCommands("redis://127.0.0.1:1/0", CircuitBreaker("commands", SystemClock()))
    with pytest.raises(BrokerError, match="cannot be reached"):
        await RedisHistory(commands).heads([Room(1, 1)])
