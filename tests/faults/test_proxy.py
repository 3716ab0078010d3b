"""The proxy does to a link what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Proxy, proxy_to

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[Proxy]:
    async with proxy_to(echo) as opened:
        yield opened


async def dial(proxy: Proxy) -> Streams:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def say(streams: Streams, text: bytes = b"hello") -> bytes:
    reader, writer = streams
    writer.write(text)
    async with asyncio.timeout(5):
        return await reader.read(1_000)


async def silent(streams: Streams, seconds: float = 0.2) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await streams[0].read(1)
    except TimeoutError:
        return True
    return False


async def ended(streams: Streams) -> bool:
    try:
        return await say(streams) == b""
    except ConnectionError:
        return True


async def test_data_and_ends_pass_both_ways(proxy: Proxy) -> None:
    reader, writer = streams = await dial(proxy)
    assert await say(streams) == b"hello"
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    async with asyncio.timeout(5):
        while proxy.connections:
            await asyncio.sleep(0.01)


async def test_a_cut_ends_old_connections_and_new_ones_until_it_is_mended(proxy: Proxy) -> None:
    old = await dial(proxy)
    assert await say(old) == b"hello"
    proxy.cut()
    refused = await dial(proxy)
    assert await ended(old)
    assert await ended(refused)
    proxy.mend()
    again = await dial(proxy)
    assert await say(again) == b"hello"
    for _, writer in (old, refused, again):
        writer.close()


async def test_a_delay_keeps_the_order(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = streams = await dial(proxy)
    assert await say(streams) == b"hello"
    proxy.delay = 0.1
    began = loop.time()
    writer.write(b"one")
    await asyncio.sleep(0.02)
    writer.write(b"two")
    async with asyncio.timeout(5):
        assert await reader.readexactly(6) == b"onetwo"
    assert loop.time() - began >= 0.2
    writer.close()


async def test_a_lag_is_for_who_has_subscribed(proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    subscribed, sharded = await dial(proxy), await dial(proxy)
    proxy.lag = 0.1
    began = loop.time()
    await say(subscribed, b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nx\r\n")
    assert loop.time() - began >= 0.2
    proxy.lag = 60.0  # say() waits 5 s
    await say(sharded, b"*2\r\n$10\r\nSSUBSCRIBE\r\n$1\r\nx\r\n")
    proxy.mend()
    assert await say(subscribed) == b"hello"
    for _, writer in (subscribed, sharded):
        writer.close()


async def test_a_stall_holds_back_and_loses_nothing(proxy: Proxy) -> None:
    reader, writer = streams = await dial(proxy)
    assert await say(streams) == b"hello"
    proxy.stall()
    writer.write(b"later")
    assert await silent(streams)
    proxy.mend()
    async with asyncio.timeout(5):
        assert await reader.readexactly(5) == b"later"
    writer.close()


async def test_a_half_open_connection_is_dead_for_ever_and_new_ones_live(proxy: Proxy) -> None:
    old = await dial(proxy)
    assert await say(old) == b"hello"
    proxy.half_open()
    old[1].write(b"anybody there?")
    assert await silent(old)
    new = await dial(proxy)
    assert await say(new) == b"hello"
    proxy.mend()
    assert await silent(old)
    for _, writer in (old, new):
        writer.close()


async def test_new_connections_follow_the_target(proxy: Proxy) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"another")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.target = server.sockets[0].getsockname()[1]
    streams = await dial(proxy)
    async with asyncio.timeout(5):
        assert await streams[0].read(1_000) == b"another"
    streams[1].close()
    server.close()
