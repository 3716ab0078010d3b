"""What `dead_letters_base` promises, asked of every kind of server, with letters that a relay's own adapter wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.broker.dead_letters_base import DeadLetters, KeptLetter
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_dead_letters import RedisDeadLetters
from gateway.broker.redis_source import RedisSource, letter_fields
from gateway.broker.streams_base import DeadLetter, SourceEntry
from gateway.errors import BrokerError, DeadLetterGoneError, EventRefusedError
from gateway.protocol.keys import DLQ, FENCE, LEASE, SOURCE
from gateway.protocol.routing import RoutingTable
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.cluster import ValkeyCluster
from tests.support.kinds import Place, open_place
from tests.support.sentinel import WatchedMaster
from tests.support.valkey import ValkeyServer


@pytest.fixture(scope="module", params=("tcp", "sentinel", "cluster"))
def place(
    request: pytest.FixtureRequest, valkey: ValkeyServer, watched: WatchedMaster, cluster: ValkeyCluster
) -> Iterator[Place]:
    with open_place(request.param, valkey, watched, cluster) as place:
        yield place


@pytest.fixture
async def redis(place: Place) -> AsyncIterator[Any]:
    async with place.plain() as client:
        await client.delete(DLQ)
        await client.delete(SOURCE)
        for key in (LEASE, FENCE):
            await client.delete(key)
        async for key in client.scan_iter("{events:critical}:seen:dlq:*"):
            await client.delete(key)
        yield client


@pytest.fixture
async def commands(place: Place) -> AsyncIterator[RedisCommands]:
    made = RedisCommands(place.url, CircuitBreaker("commands", SystemClock()))
    yield made
    await made.close()


@pytest.fixture
def source(commands: RedisCommands, redis: Any) -> RedisSource:
    return RedisSource(commands)


@pytest.fixture
def letters(commands: RedisCommands, redis: Any) -> DeadLetters:
    return RedisDeadLetters(commands)


def event(number: int = 1, kind: str = "ROUND_READY") -> bytes:
    return json.dumps({"type": kind, "tenant_id": 7, "branch_id": 5, "n": number, "bytes": "\u00e9"}).encode()


def letter(number: int = 1, *, payload: bytes | None = None, reason: str = "failed", entry: str = "") -> DeadLetter:
    fields = {b"event": event(number) if payload is None else payload}
    return DeadLetter(SourceEntry(entry or f"{number}-0", fields), reason, "it failed", 3, "node-1", 1_700_000_000.25)


async def put(redis: Any, *buried: DeadLetter) -> list[str]:
    """Into the queue with these, whatever the source holds of them; their ids in the queue, in order."""
    return [(await redis.xadd(DLQ, letter_fields(one))).decode() for one in buried]


async def events(redis: Redis) -> list[tuple[str, bytes]]:
    return [(number.decode(), fields[b"event"]) for number, fields in await redis.xrange(SOURCE)]


async def test_a_letter_is_read_as_the_relay_wrote_it(letters: DeadLetters, redis: Any) -> None:
    assert await letters.length() == 0
    assert await letters.list() == ([], None)
    (letter_id,) = await put(redis, letter())
    expected = KeptLetter(
        letter_id, "1-0", event(), None, "failed", "it failed", tries=3, node="node-1", time=1_700_000_000.25
    )
    assert await letters.get(letter_id) == expected
    assert await letters.list() == ([expected], None)
    assert await letters.length() == 1


async def test_pages_go_from_the_newest_or_from_the_oldest(letters: DeadLetters, redis: Any) -> None:
    ids = await put(redis, *(letter(number) for number in range(1, 6)))
    for oldest_first, order in ((True, ids), (False, ids[::-1])):
        seen: list[str] = []
        cursor: str | None = None
        sizes = []
        while True:
            page = await letters.list(cursor, 2, oldest_first=oldest_first)
            sizes.append(len(page.letters))
            seen += [kept.id for kept in page.letters]
            if (cursor := page.cursor) is None:
                break
        assert seen == order
        assert sizes == [2, 2, 1]
    assert (await letters.list(None, 5)).cursor is None, "a full last page is the last"


async def test_what_nobody_of_ours_wrote_is_shown_all_the_same(redis: Any, letters: DeadLetters) -> None:
    await redis.xadd(
        DLQ, {"strange": b"\xff", "tries": "many", "time": "nan", "id": "x", "reason": b"\xff"}, id="9000-1"
    )
    await redis.xadd(DLQ, {"id": "8-0", "fields": '{"body":"x"}', "reason": "bad_shape"}, id="9000-2")
    assert await letters.get("9000-1") == ("9000-1", "", None, None, "\\xff", "", 0, "", 9.0)
    kept = await letters.get("9000-2")
    assert kept is not None
    assert (kept.entry_id, kept.event, kept.fields) == ("8-0", None, '{"body":"x"}')
    for letter_id in ("9000-1", "9000-2"):
        with pytest.raises(EventRefusedError, match="no field `event`"):
            await letters.replay(letter_id)
        assert await letters.discard(letter_id)


@pytest.mark.parametrize("bad", ["", "1", "-", "+", "1-0-0", "(1-0", "x-1", "18446744073709551616-0"])
async def test_what_is_no_id_is_said_to_be_none(letters: DeadLetters, bad: str) -> None:
    for call in (letters.get, letters.replay, letters.discard):
        with pytest.raises(ValueError, match="not a stream id"):
            await call(bad)
    with pytest.raises(ValueError, match="not a stream id"):
        await letters.list(bad)
    with pytest.raises(ValueError, match="at least 1"):
        await letters.list(limit=0)


async def test_a_replayed_event_is_the_newest_of_the_source_and_its_letter_is_gone(
    letters: DeadLetters, redis: Any
) -> None:
    first, second = await put(redis, letter(1), letter(2))
    before = (await redis.xadd(SOURCE, {"event": event(3)})).decode()
    event_id = await letters.replay(first)
    assert await events(redis) == [(before, event(3)), (event_id, event(1))]
    assert await letters.get(first) is None
    assert [kept.id for kept in (await letters.list()).letters] == [second]


async def test_replaying_again_emits_nothing_and_answers_the_same(letters: DeadLetters, redis: Any) -> None:
    (letter_id,) = await put(redis, letter())
    answers = await asyncio.gather(*(letters.replay(letter_id) for _ in range(8)))
    answers.append(await letters.replay(letter_id))
    assert len(set(answers)) == 1
    assert await events(redis) == [(answers[0], event())]


async def test_an_entry_that_was_buried_twice_is_emitted_once(letters: DeadLetters, redis: Any) -> None:
    first, second = await put(redis, letter(1), letter(1))
    assert await letters.replay(first) == await letters.replay(second)
    assert len(await events(redis)) == 1
    assert await letters.length() == 0


async def test_the_same_id_of_another_past_is_another_event(letters: DeadLetters, redis: Any) -> None:
    first, second = await put(redis, letter(1), letter(2, entry="1-0"))
    assert await letters.replay(first) != await letters.replay(second)
    assert [payload for _, payload in await events(redis)] == [event(1), event(2)]


async def test_a_replay_that_broke_before_the_letter_was_removed_is_finished_by_the_next(
    letters: DeadLetters, redis: Any
) -> None:
    (letter_id,) = await put(redis, letter())
    fields = (await redis.xrange(DLQ))[0][1]
    event_id = await letters.replay(letter_id)
    await redis.delete(DLQ)
    await redis.xadd(DLQ, fields, id=letter_id)  # as if the connection to the queue's server had broken
    assert await letters.replay(letter_id) == event_id
    assert await letters.length() == 0
    assert len(await events(redis)) == 1


async def test_what_remembers_a_replay_ends_by_itself_and_is_in_the_slot_of_the_source(
    letters: DeadLetters, redis: Any
) -> None:
    (letter_id,) = await put(redis, letter())
    await letters.replay(letter_id)
    keys = [key async for key in redis.scan_iter("*seen:dlq:*")]
    assert len(keys) == 2
    for key in keys:
        assert key.startswith(b"{events:critical}:")
        assert 86_000 < await redis.ttl(key) <= 86_400


async def pending_entry(source: RedisSource, redis: Any) -> SourceEntry:
    """One that a relay has read."""
    await source.acquire("me:1")
    await source.ensure_group("me:1", from_start=True)
    await redis.xadd(SOURCE, {"event": b"{"})
    (entry,) = (await source.read("me:1", 10)).entries
    return entry


async def test_an_entry_has_one_letter_whenever_its_relay_stops(
    place: Place, source: RedisSource, letters: DeadLetters, redis: Any
) -> None:
    """One that stopped as soon as the letter was written is followed by one that would write it again."""
    buried = DeadLetter(await pending_entry(source, redis), "bad_json", "it is no JSON", 1, "node-1", 1_700_000_000.25)
    assert await source.bury([buried]) == [buried]
    pending, _ = await source.pending("me:1")
    again = await source.bury([buried])
    if place.clustered:  # the queue is in another slot than what is pending
        assert ([entry.entry_id for entry in pending], again) == ([buried.entry.entry_id], [buried])
        assert await letters.length() == 2
    else:
        assert (pending, again) == ([], [])
        assert await letters.length() == 1
    assert await source.bury([]) == []


async def test_a_letter_that_cannot_be_written_leaves_its_entry_pending(source: RedisSource, redis: Any) -> None:
    entry = await pending_entry(source, redis)
    await redis.set(DLQ, "no stream")
    with pytest.raises(BrokerError):
        await source.bury([DeadLetter(entry, "bad_json", "it is no JSON", 1, "node-1", 0.0)])
    pending, _ = await source.pending("me:1")
    assert [one.entry_id for one in pending] == [entry.entry_id]


async def test_what_the_gateway_would_refuse_again_stays_where_it_is(
    source: RedisSource, letters: DeadLetters, redis: Any
) -> None:
    ids = await put(
        redis,
        letter(1, payload=b"{", reason="bad_json"),
        letter(2, payload=event(kind="NEW"), reason="unknown_type"),
        letter(3, payload=b"x" * 70_000, reason="too_big"),
    )
    for letter_id, reason in zip(ids, ("bad_json", "unknown_type", "too_big"), strict=True):
        with pytest.raises(EventRefusedError) as refused:
            await letters.replay(letter_id)
        assert refused.value.reason == reason
    assert await letters.length() == 3
    assert await events(redis) == []


async def test_what_the_routing_table_knows_by_now_is_replayed(
    commands: RedisCommands, letters: DeadLetters, redis: Any, tmp_path: Path
) -> None:
    (letter_id,) = await put(redis, letter(payload=event(kind="NEW"), reason="unknown_type"))
    file = tmp_path / "routing.toml"
    file.write_text("[events.NEW]\nadmin = true\n")
    taught = RedisDeadLetters(commands, RoutingTable.load(file))
    event_id = await taught.replay(letter_id)
    assert await events(redis) == [(event_id, event(kind="NEW"))]


async def test_a_letter_that_is_not_there_cannot_be_replayed_or_discarded(letters: DeadLetters, redis: Any) -> None:
    (letter_id,) = await put(redis, letter())
    assert await letters.discard(letter_id)
    assert not await letters.discard(letter_id)
    for gone in (letter_id, "1-1"):
        assert await letters.get(gone) is None
        with pytest.raises(DeadLetterGoneError, match=gone):
            await letters.replay(gone)
    assert await events(redis) == []


@pytest.mark.parametrize("how", ["replay", "discard"])
async def test_a_relay_that_takes_over_does_not_find_the_entry_again(
    source: RedisSource, letters: DeadLetters, redis: Any, how: str
) -> None:
    """Neither in the last minute of the source, nor pending since a relay stopped between burying and acknowledging."""
    await source.acquire("me:1")
    await source.ensure_group("me:1", from_start=True)
    entry_id = (await redis.xadd(SOURCE, {"event": event()})).decode()
    other = (await redis.xadd(SOURCE, {"event": event(2)})).decode()
    await source.read("me:1", 10)
    (letter_id,) = await put(redis, letter(entry=entry_id))
    answer = await (letters.replay(letter_id) if how == "replay" else letters.discard(letter_id))
    recent = await source.recent("me:1", 60, None, 10)
    pending, vanished = await source.pending("me:1")
    assert [entry.entry_id for entry in recent] == [other]
    assert ([entry.entry_id for entry in pending], vanished) == ([other], 0)
    read = await source.read("me:1", 10)
    assert read.lost == 0, "it was no loss"
    assert [entry.entry_id for entry in read.entries] == ([answer] if how == "replay" else [])


async def test_another_event_under_the_entrys_id_stays_in_the_source(letters: DeadLetters, redis: Any) -> None:
    entry_id = (await redis.xadd(SOURCE, {"event": event(2)})).decode()
    first, second = await put(redis, letter(1, entry=entry_id), letter(3, entry=entry_id))
    await letters.replay(first)
    await letters.discard(second)
    assert [payload for _, payload in await events(redis)] == [event(2), event(1)]


async def test_a_server_that_lost_its_scripts_is_told_them_again(
    letters: DeadLetters, place: Place, redis: Any
) -> None:
    first, second = await put(redis, letter(1), letter(2))
    for server in place.servers:
        with server.admin() as admin:
            admin.script_flush()
    await letters.replay(first)
    assert await letters.discard(second)


async def test_a_server_that_is_away_answers_nothing() -> None:
    commands = RedisCommands("redis://127.0.0.1:1/0", CircuitBreaker("commands", SystemClock()))
    letters = RedisDeadLetters(commands)
    for call in (letters.list(), letters.get("1-0"), letters.replay("1-0"), letters.discard("1-0"), letters.length()):
        with pytest.raises(BrokerError):
            await call
    await commands.close()
