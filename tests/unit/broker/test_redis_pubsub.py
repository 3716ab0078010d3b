"""The reader alone: bytes in, batches out."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.broker.base import PubSubBatch, PubSubMessage
from gateway.broker.redis_pubsub import RedisPubSubConnection
from gateway.errors import BrokerError


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def array(*parts: bytes | int) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(
        b":%d\r\n" % part if isinstance(part, int) else bulk(part) for part in parts
    )


def message(channel: bytes, payload: bytes) -> bytes:
    return array(b"message", channel, payload)


class Writer:
    """Takes what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.draining = asyncio.Event()
        self.draining.set()

    def writelines(self, lines: Iterable[bytes]) -> None:
        self.written += b"".join(lines)

    async def drain(self) -> None:
        await self.draining.wait()


class Link:
    """In place of redis-py's connection: its streams, and how it packs commands."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.writer = Writer()
        self.is_connected = False

    def streams(self) -> tuple[asyncio.StreamReader, Writer]:
        return self.reader, self.writer

    def pack_command(self, *command: str) -> list[bytes]:
        return [array(*(word.encode() for word in command))]

    async def disconnect(self) -> None:
        self.reader.feed_eof()


@pytest.fixture
async def link() -> Link:
    return Link()


@pytest.fixture
async def connection(link: Link) -> RedisPubSubConnection:
    return RedisPubSubConnection(link, "redis://test", 5.0)  # type: ignore[arg-type]


async def test_one_read_gives_everything_that_has_come(link: Link, connection: RedisPubSubConnection) -> None:
    link.reader.feed_data(
        array(b"subscribe", b"a", 1)
        + array(b"psubscribe", b"b*", 2)
        + message(b"a", b"one")
        + array(b"pmessage", b"b*", b"bb", b"two\r\n\x00\xff")
        + array(b"pong", b"")
        + array(b"unsubscribe", b"a", 1)
        + array(b"punsubscribe", b"b*", 0)
        + b"+PONG\r\n"
    )
    assert await connection.read() == PubSubBatch(
        [PubSubMessage("a", b"one"), PubSubMessage("bb", b"two\r\n\x00\xff")], ["a", "b*"], ["a", "b*"], 2
    )


async def test_sharded_channels_are_read_like_plain_ones(link: Link, connection: RedisPubSubConnection) -> None:
    await connection.ssubscribe(["{a}:live", "{b}:live"])
    await connection.sunsubscribe(["{a}:live"])
    link.reader.feed_data(
        array(b"ssubscribe", b"{a}:live", 1)
        + array(b"ssubscribe", b"{b}:live", 2)
        + array(b"smessage", b"{a}:live", b"\x00one")
        + array(b"sunsubscribe", b"{a}:live", 1)
    )
    assert await connection.read() == PubSubBatch(
        [PubSubMessage("{a}:live", b"\x00one")], ["{a}:live", "{b}:live"], ["{a}:live"], 0
    )
    assert link.writer.written == (array(b"SSUBSCRIBE", b"{a}:live", b"{b}:live") + array(b"SUNSUBSCRIBE", b"{a}:live"))


async def test_a_sharded_channel_whose_end_nobody_asked_for_is_lost(
    link: Link, connection: RedisPubSubConnection
) -> None:
    await connection.ssubscribe(["{a}:live"])
    await connection.ssubscribe(["{b}:live"])
    link.reader.feed_data(
        array(b"ssubscribe", b"{a}:live", 1)
        + array(b"sunsubscribe", b"{a}:live", 0)
        + b"-MOVED 7638 127.0.0.1:7001\r\n"
        + array(b"pong", b"")
    )
    assert await connection.read() == PubSubBatch([], ["{a}:live"], [], 1, ("{a}:live", "{b}:live"))
    await connection.ping()  # the connection goes on


async def test_a_channel_that_is_moved_while_it_is_changed_ends_the_connection(
    link: Link, connection: RedisPubSubConnection
) -> None:
    await connection.ssubscribe(["{a}:live"])
    await connection.sunsubscribe(["{a}:live"])
    link.reader.feed_data(b"-MOVED 7638 127.0.0.1:7001\r\n")
    await connection.read()
    # The second answer is still to come, and could be taken for that of a later command.
    with pytest.raises(BrokerError, match="moved while it was changed"):
        await connection.ping()


async def test_moved_says_nothing_where_no_sharded_channel_was_asked_for(
    link: Link, connection: RedisPubSubConnection
) -> None:
    await connection.subscribe(["a"])
    link.reader.feed_data(b"-MOVED 7638 127.0.0.1:7001\r\n")
    with pytest.raises(BrokerError, match="MOVED"):
        await connection.read()


@given(
    payloads=st.lists(st.binary(max_size=50), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_wherever_the_stream_is_cut_the_messages_are_the_same(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(message(b"session:7", payload) for payload in payloads)
    bounds = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    async def run() -> list[bytes]:
        link = Link()
        connection = RedisPubSubConnection(link, "redis://test", 5.0)  # type: ignore[arg-type]
        got: list[bytes] = []

        async def read() -> None:
            while len(got) < len(payloads):
                got.extend(message.payload for message in (await connection.read()).messages)

        reading = asyncio.create_task(read())
        for start, end in itertools.pairwise(bounds):
            link.reader.feed_data(stream[start:end])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await reading
        return got

    assert asyncio.run(run()) == payloads


async def test_a_cancelled_read_loses_nothing(link: Link, connection: RedisPubSubConnection) -> None:
    got: list[bytes] = []
    stream = b"".join(message(b"session:7", b"%d" % number) for number in range(50))
    for start in range(0, len(stream), 7):
        reading = asyncio.create_task(connection.read())
        await asyncio.sleep(0)
        link.reader.feed_data(stream[start : start + 7])
        # Cancelled between the arrival of the bytes and the reader's turn: the worst moment.
        reading.cancel()
        with suppress(asyncio.CancelledError):
            got += [message.payload for message in (await reading).messages]
    while len(got) < 50:
        got += [message.payload for message in (await connection.read()).messages]
    assert got == [b"%d" % number for number in range(50)]


async def test_a_channel_that_is_no_utf_8_is_told_apart_from_every_channel_of_ours(
    link: Link, connection: RedisPubSubConnection
) -> None:
    link.reader.feed_data(array(b"pmessage", b"branch:*:kitchen", b"branch:\xff:kitchen", b"{}"))
    assert (await connection.read()).messages == [PubSubMessage("branch:\ufffd:kitchen", b"{}")]


async def test_an_error_ends_the_connection_after_what_came_before_it(
    link: Link, connection: RedisPubSubConnection
) -> None:
    refusal = b"-NOPERM User gateway has no permissions to access the 'session:7' channel\r\n"
    link.reader.feed_data(message(b"a", b"1") + refusal + message(b"a", b"2"))
    assert (await connection.read()).messages == [PubSubMessage("a", b"1")]
    for _ in range(2):
        with pytest.raises(BrokerError, match=r"redis://test .*NOPERM.*session:7"):
            await connection.read()
    with pytest.raises(BrokerError, match="NOPERM"):
        await connection.ping()


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", array(b"what", b"is", b"this"), b":1\r\n"])
async def test_what_is_no_pubsub_ends_the_connection(
    link: Link, connection: RedisPubSubConnection, garbage: bytes
) -> None:
    link.reader.feed_data(garbage)
    with pytest.raises(BrokerError, match="redis://test"):
        await connection.read()


async def test_the_end_of_the_stream_is_an_error_and_stays_one(link: Link, connection: RedisPubSubConnection) -> None:
    link.reader.feed_data(message(b"a", b"1")[:-3])
    link.reader.feed_eof()
    for _ in range(2):
        with pytest.raises(BrokerError, match="closed the connection"):
            await connection.read()


async def test_a_reset_is_an_error(link: Link, connection: RedisPubSubConnection) -> None:
    link.reader.set_exception(ConnectionResetError("reset by peer"))
    with pytest.raises(BrokerError, match="reset by peer"):
        await connection.read()


async def test_commands_are_written_whole_and_in_the_order_of_the_calls(
    link: Link, connection: RedisPubSubConnection
) -> None:
    link.writer.draining.clear()
    first = asyncio.create_task(connection.subscribe(["a", "b"]))
    second = asyncio.create_task(connection.unsubscribe(["a"]))
    await asyncio.sleep(0)
    assert link.writer.written == array(b"SUBSCRIBE", b"a", b"b") + array(b"UNSUBSCRIBE", b"a")
    link.writer.draining.set()
    await asyncio.gather(first, second)


async def test_a_write_that_does_not_drain_in_time_ends_the_connection(link: Link) -> None:
    connection = RedisPubSubConnection(link, "redis://test", 0)  # type: ignore[arg-type]
    link.writer.draining.clear()
    with pytest.raises(BrokerError, match="did not answer in time"):
        await connection.subscribe(["a"])
    with pytest.raises(BrokerError, match="did not answer in time"):
        await connection.read()


async def test_after_close_everything_says_so(connection: RedisPubSubConnection) -> None:
    reading = asyncio.create_task(connection.read())
    await asyncio.sleep(0)
    await connection.close()
    await connection.close()
    with pytest.raises(BrokerError, match="closed"):
        await reading
    with pytest.raises(BrokerError, match="was closed"):
        await connection.read()
    with pytest.raises(BrokerError, match="was closed"):
        await connection.subscribe(["a"])
