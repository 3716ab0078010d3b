"""Clients that mean ill: they never finish a request, come in floods, fill many rooms, or send endless messages."""

from __future__ import annotations

import asyncio
import gc
import itertools
import resource
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from redis.asyncio import Redis
from websockets.frames import Frame, Opcode

from gateway import app
from gateway.ingest.live_interest import LiveInterest
from gateway.server import bounded_http
from tests.support.clients import client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.raw_websocket import RawWebSocket, request
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

LIMIT = 0.6
_users = itertools.count(1)


@pytest.fixture(params=["native", "asgi"])
def impatient(
    request: pytest.FixtureRequest, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningGateway]:
    """A gateway that waits for a request's head for a fraction of a second."""
    monkeypatch.setattr(bounded_http, "HEAD_SECONDS", LIMIT)
    with run_gateway(valkey.url, sockets=request.param) as gateway:
        yield gateway


@asynccontextmanager
async def raw(gateway: RunningGateway) -> AsyncIterator[RawWebSocket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield RawWebSocket(reader, writer)
    finally:
        writer.close()


def waiter(path: str = "/ws/waiter") -> bytes:
    return request(f"{path}?token={staff_token(user=f'flood-{next(_users)}')}")


async def ended(peer: RawWebSocket) -> bytes:
    """Everything until the server closes."""
    async with asyncio.timeout(20):
        return await peer.reader.read()


async def test_who_says_nothing_is_sent_away(impatient: RunningGateway) -> None:
    begun = time.monotonic()
    async with raw(impatient) as peer:
        assert (await ended(peer)).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun >= LIMIT * 0.9


@pytest.mark.parametrize("before", [b"", b"GET /ws/health HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["first", "second"])
async def test_who_sends_a_head_byte_by_byte_is_sent_away(before: bytes, impatient: RunningGateway) -> None:
    async with raw(impatient) as peer:
        if before:
            await peer.write(before)
            assert (await peer.head())[0] == 200
            assert await peer.reader.readexactly(15) == b'{"status":"ok"}'
        reading = asyncio.create_task(ended(peer))
        sent = 0
        for byte in waiter():
            try:
                await peer.write(bytes([byte]))
            except ConnectionError:
                break
            sent += 1
            await asyncio.sleep(0.05)
            if reading.done():
                break
        assert sent < 60
        assert (await reading).startswith(b"HTTP/1.1 408 ")


async def test_who_has_shaken_hands_or_asks_again_and_again_is_left_alone(impatient: RunningGateway) -> None:
    async with raw(impatient) as peer, raw(impatient) as asking:
        head = waiter()
        await peer.write(head[:40])
        await asyncio.sleep(LIMIT / 3)
        await peer.write(head[40:])
        assert (await peer.head())[0] == 101
        assert "welcome" in await peer.text()
        for _ in range(4):
            await asking.write(b"GET /ws/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await asking.head())[0] == 200
            await asking.reader.readexactly(15)
            await asyncio.sleep(LIMIT / 2)
        await peer.write(Frame(Opcode.TEXT, b"ping").serialize(mask=True))
        assert "pong" in await peer.text()


async def test_a_flood_of_idle_connections_leaves_no_descriptor_behind(impatient: RunningGateway) -> None:
    before = _descriptors()
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(raw(impatient)) for _ in range(200)]
        async with welcomed(impatient.ws, "/ws/waiter", staff_token(user="in-between")) as peer:
            await peer.send("ping")
            assert (await peer.json())["type"] == "pong"
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in await asyncio.gather(*map(ended, peers)))
    async with asyncio.timeout(20):
        while _descriptors() > before + 5:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("size", [1, 1_000, 60_000])
async def test_a_message_in_fragments_is_bounded_like_one_in_one_piece(size: int, impatient: RunningGateway) -> None:
    async with raw(impatient) as peer:
        await peer.write(waiter())
        assert (await peer.head())[0] == 101
        assert "welcome" in await peer.text()
        fragment = Frame(Opcode.CONT, b"x" * size, fin=False).serialize(mask=True)
        await peer.write(Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True))
        # Twice the limit's bytes, or as many frames as no honest client sends.
        for _ in range(min(140_000 // size, 20_000)):
            try:
                await peer.write(fragment)
            except ConnectionError:
                break
        # Native sockets count frames too; uvicorn's own class counts the bytes of a message.
        if size == 1 and not impatient.gateway.fanout.takes_sockets:
            await peer.write(Frame(Opcode.CONT, b"x" * 65_536).serialize(mask=True))
        try:
            code = await peer.close_code()
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the server had closed while fragments were still coming, so the kernel threw its last frame away
        assert code in (1009, 4029)


async def test_ten_thousand_rooms_come_and_go_and_leave_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "LiveInterest", partial(LiveInterest, linger=0.2))

    async def visit(first: int) -> None:
        async with AsyncExitStack() as stack:
            for number in range(40):
                start = first + number * 256
                token = staff_token("MANAGER", user=f"m{start}", branches=range(start, start + 256))
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/kitchen", token))
            assert gateway.gateway.fanout.stats().rooms == 40 * 256
        async with asyncio.timeout(60):
            while gateway.gateway.fanout.stats().rooms or await channels():
                await asyncio.sleep(0.05)
        gc.collect()

    async def channels() -> int:
        plain = [name for name in await redis.pubsub_channels("*") if b"branch" in name]
        return len(plain) + len(await redis.execute_command("PUBSUB", "SHARDCHANNELS", "{tenant:*"))

    with run_valkey() as server, run_gateway(server.url) as gateway:
        async with Redis.from_url(server.url) as redis:
            await visit(1)
            before = _memory()
            await visit(40_000)
            grown = _memory() - before
            assert grown < 10 * 1024 * 1024, f"ten thousand rooms more have left {grown} bytes, a kilobyte for each"
            assert not [key async for key in redis.scan_iter("{tenant:*") if await redis.ttl(key) < 0]


def _memory() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_refused_flood_costs_redis_nothing(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url, attempt_rate=1.0, trusted_proxies=("127.0.0.0/8",)) as gateway:
        headers = {"X-Forwarded-For": "203.0.113.50"}
        statuses = []
        for _ in range(60):
            try:
                async with client(gateway.ws, "/ws/waiter", "nonsense", additional_headers=headers) as peer:
                    statuses.append(await peer.close_code())
            except Exception as error:  # noqa: BLE001 - the refusal before the upgrade is what is counted
                statuses.append(error.response.status_code)  # type: ignore[attr-defined]
    assert statuses.count(429) >= 45
    assert set(statuses) == {4001, 429}
