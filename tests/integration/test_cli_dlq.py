"""`gateway dlq` on a real Valkey, with letters that a relay wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.ingest.relay_base import RelayNumbers
from gateway.protocol.keys import DLQ, SOURCE
from gateway.types import Room
from tests.support.cli import ended
from tests.support.relay_rig import build_relay, critical_event
from tests.support.valkey import ValkeyServer, run_valkey

ROOM = Room(7, 5)
GOOD = critical_event(ROOM, 1)
NEW = critical_event(ROOM, 2, kind="NEW_TYPE")
ROUTING = "[events.NEW_TYPE]\nkitchen = true\n"


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: source and queue have one name."""
    with run_valkey() as server:
        yield server


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url)
    await client.flushall()
    yield client
    await client.aclose()


async def relayed(server: ValkeyServer, redis: Redis, *events: bytes, letters: int) -> None:
    """Have a relay go through these, until so many letters are there."""
    relay = build_relay(server.url, numbers=RelayNumbers(from_start=True))
    await relay.start()
    try:
        await relay.wait_active()
        for event in events:
            await redis.xadd(SOURCE, {"event": event})
        async with asyncio.timeout(20):
            while await redis.xlen(DLQ) < letters:
                await asyncio.sleep(0.01)
    finally:
        await relay.stop()


async def listed(server: ValkeyServer, *arguments: str) -> list[list[str]]:
    status, out, _ = await ended("dlq", "list", *arguments, "--redis-url", server.url)
    assert status == 0
    return [line.split("\t") for line in out.splitlines()]


async def test_an_empty_queue_is_said_and_is_no_failure(server: ValkeyServer, redis: Redis) -> None:
    status, out, err = await ended("dlq", "list", GATEWAY_REDIS_URL=server.url)
    assert (status, out) == (0, "")
    assert "holds no letter" in err


async def test_what_the_relay_put_aside_is_listed_newest_first_and_shown(server: ValkeyServer, redis: Redis) -> None:
    await relayed(server, redis, b"{\x1b[2J", GOOD, NEW, letters=2)
    rows = await listed(server)
    assert [row[2:6] for row in rows] == [["unknown_type", "7", "5", "NEW_TYPE"], ["bad_json", "", "", ""]]
    assert [row[0] for row in await listed(server, "--reason", "bad_json")] == [rows[1][0]]
    status, out, err = await ended("dlq", "show", rows[1][0], "--redis-url", server.url)
    assert (status, err) == (0, "")
    assert "event: {\\x1b[2J\n" in out, "what moves a cursor is shown escaped"
    assert "reason: bad_json\n" in out
    _, out, _ = await ended("dlq", "show", rows[0][0], "--json", "--redis-url", server.url)
    shown = json.loads(out)
    assert (shown["id"], shown["reason"], shown["event"], shown["tries"]) == (
        rows[0][0],
        "unknown_type",
        NEW.decode(),
        1,
    )
    _, out, err = await ended("dlq", "list", "--json", "--limit", "1", "--redis-url", server.url)
    assert json.loads(out) == shown
    assert "more than 1 (2 letters in all)" in err


async def test_after_the_routing_file_was_corrected_what_it_refused_is_replayed_in_order(
    server: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    other = critical_event(ROOM, 3, kind="NEW_TYPE")
    await relayed(server, redis, NEW, b"{", other, letters=3)
    newest, broken, oldest = (row[0] for row in await listed(server))
    status, out, err = await ended("dlq", "replay", "--all", "--redis-url", server.url)
    assert (status, out) == (1, "")
    assert f"{oldest} was not replayed: unknown_type" in err
    assert await redis.xlen(DLQ) == 3
    routing = tmp_path / "routing.toml"
    routing.write_text(ROUTING)
    arguments = ("--redis-url", server.url)
    status, out, err = await ended(
        "dlq", "replay", "--all", "--reason", "unknown_type", *arguments, GATEWAY_ROUTING_FILE=str(routing)
    )
    assert (status, err) == (0, "")
    replayed = dict(line.split("\t") for line in out.splitlines())
    assert list(replayed) == [oldest, newest]
    entries = {number.decode(): fields[b"event"] for number, fields in await redis.xrange(SOURCE)}
    assert [entries[number] for number in replayed.values()] == [NEW, other]
    assert [row[0] for row in await listed(server)] == [broken]
    again = await ended("dlq", "replay", oldest, *arguments, GATEWAY_ROUTING_FILE=str(routing))
    assert again == (0, f"{oldest}\t{replayed[oldest]}\n", "")


async def test_a_replay_of_all_does_not_follow_what_comes_back(
    server: ValkeyServer, redis: Redis, tmp_path: Path
) -> None:
    """Relays that were not restarted refuse them again, while the command still runs."""
    count = 50
    await relayed(server, redis, *(NEW for _ in range(count)), letters=count)
    routing = tmp_path / "routing.toml"
    routing.write_text(ROUTING)
    relay = build_relay(server.url)
    await relay.start()
    try:
        await relay.wait_active()
        status, out, _ = await ended(
            "dlq", "replay", "--all", "--redis-url", server.url, GATEWAY_ROUTING_FILE=str(routing)
        )
        assert (status, len(out.splitlines())) == (0, count)
        async with asyncio.timeout(20):
            while await redis.xlen(DLQ) < count:
                await asyncio.sleep(0.01)
    finally:
        await relay.stop()


async def test_discarding_takes_those_that_are_named(server: ValkeyServer, redis: Redis) -> None:
    await relayed(server, redis, b"{", b"[", letters=2)
    newest, oldest = (row[0] for row in await listed(server))
    assert await ended("dlq", "discard", oldest, "--redis-url", server.url) == (0, f"{oldest}\n", "")
    status, out, err = await ended("dlq", "discard", oldest, newest, "--redis-url", server.url)
    assert (status, out) == (1, f"{newest}\n")
    assert f"no letter {oldest}" in err
    for command in ("show", "replay"):
        status, out, err = await ended("dlq", command, oldest, "--redis-url", server.url)
        assert (status, out) == (1, ""), command
        assert oldest in err


async def test_discarding_all_asks_or_wants_to_be_told(server: ValkeyServer, redis: Redis) -> None:
    await relayed(server, redis, b"{", letters=1)
    status, out, err = await ended("dlq", "discard", "--all", "--redis-url", server.url)
    assert (status, out) == (2, "")
    assert "--yes" in err
    assert await redis.xlen(DLQ) == 1
