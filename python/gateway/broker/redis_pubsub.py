"""A Pub/Sub connection that is read in batches.

redis-py connects, authenticates and selects the database; from then on its stream is read here, many messages at a
time, with hiredis. redis-py's own Pub/Sub loop awaits once per message and costs several times as much per message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import hiredis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)

from gateway.broker.base import PubSubBatch, PubSubMessage
from gateway.broker.failures import LIBRARY_ERRORS, broker_error
from gateway.errors import BrokerError

READ_BYTES: Final = 65_536
"""Bytes of one read: some two hundred messages of 256 B, a millisecond's work, so that the event loop stays quick."""

_NOTHING: Final = object()


class _Streams:
    """Opens redis-py's connection just enough: its streams are attributes that it calls private."""

    __slots__ = ()
    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None

    def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The two streams of a connected connection."""
        if self._reader is None or self._writer is None:
            raise ConnectionError("the connection was closed while it was being made")
        return self._reader, self._writer


class _Tcp(_Streams, Connection):
    """Reached by host and port."""


class _Tls(_Streams, SSLConnection):
    """The same with TLS."""


class _Unix(_Streams, UnixDomainSocketConnection):
    """Reached by a socket in the file system."""


_CLASSES: Final[dict[type[AbstractConnection], type[_Tcp | _Tls | _Unix]]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


class RedisPubSubConnection:
    """Keeps `broker.base.PubSubConnection`, in RESP2. For one event loop; one task reads, another may write."""

    def __init__(self, connection: _Tcp | _Tls | _Unix, where: str, timeout: float) -> None:
        self._connection = connection
        self._reader, self._writer = connection.streams()
        self._where = where
        self._timeout = timeout
        self._parser = hiredis.Reader(notEnoughData=_NOTHING)
        self._failure: BrokerError | None = None

    @classmethod
    async def connect(cls, pool: ConnectionPool, where: str, timeout: float) -> RedisPubSubConnection:
        """Connect as the pool's connections do, but outside the pool.

        Args:
            pool: knows the server and the options.
            where: the server's URL, redacted.
            timeout: seconds for all of it, and later for every write.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        connection = _CLASSES[pool.connection_class](**pool.connection_kwargs)
        try:
            async with asyncio.timeout(timeout):
                await connection.connect()  # type: ignore[no-untyped-call]
            return cls(connection, where, timeout)
        except LIBRARY_ERRORS as error:
            await _drop(connection)
            raise broker_error(where, error) from error
        except BaseException:
            await _drop(connection)
            raise

    async def subscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.subscribe`."""
        await self._write("SUBSCRIBE", *channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.unsubscribe`."""
        await self._write("UNSUBSCRIBE", *channels)

    async def psubscribe(self, patterns: Sequence[str]) -> None:
        """See `PubSubConnection.psubscribe`."""
        await self._write("PSUBSCRIBE", *patterns)

    async def ssubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.ssubscribe`."""
        await self._write("SSUBSCRIBE", *channels)

    async def sunsubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.sunsubscribe`."""
        await self._write("SUNSUBSCRIBE", *channels)

    async def ping(self) -> None:
        """See `PubSubConnection.ping`."""
        await self._write("PING")

    async def read(self) -> PubSubBatch:
        """See `PubSubConnection.read`.

        Cancel-safe because the only wait is for the stream, which keeps its bytes when that wait is cancelled; from the
        bytes to the batch nothing waits.
        """
        while self._failure is None:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError as error:
                raise self._fail(error) from error
            if not data:
                raise self._fail(ConnectionResetError("the server closed the connection"))
            batch = self._parse(data)
            if batch.messages or batch.subscribed or batch.unsubscribed or batch.pongs:
                return batch  # else half a message came, or a failure, which the loop's condition finds
        raise self._failure

    async def close(self) -> None:
        """See `PubSubConnection.close`."""
        self._failure = self._failure or BrokerError(f"the connection to Redis at {self._where} was closed")
        await _drop(self._connection)

    async def _write(self, *command: str) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            # The bytes are in the stream's buffer before the first wait: calls are written in the order they are made.
            self._writer.writelines(self._connection.pack_command(*command))
            async with asyncio.timeout(self._timeout):
                await self._writer.drain()
        except OSError as error:
            raise self._fail(error) from error

    def _parse(self, data: bytes) -> PubSubBatch:
        batch = PubSubBatch([], [], [], 0)
        messages, subscribed, unsubscribed, pongs = batch
        self._parser.feed(data)
        next_reply = self._parser.gets
        try:
            while (reply := next_reply()) is not _NOTHING:
                match reply:
                    case [b"message" | b"smessage", channel, payload] | [b"pmessage", _, channel, payload]:
                        # A pattern also matches names that are not UTF-8. Replaced, such a name is no channel of ours.
                        messages.append(PubSubMessage(channel.decode("utf-8", "replace"), payload))
                    case [b"subscribe" | b"psubscribe" | b"ssubscribe", name, _]:
                        subscribed.append(name.decode())
                    case [b"unsubscribe" | b"punsubscribe" | b"sunsubscribe", bytes(name), _]:
                        unsubscribed.append(name.decode())
                    case [b"pong", _] | b"PONG":  # the first while subscribed, the second while not
                        pongs += 1
                    case _:
                        # An error (an ACL refused a command), or something that is no Pub/Sub: which command it answers
                        # cannot be told, so nothing on this connection can be relied on. What came before it counts.
                        self._fail(_as_error(reply))
                        break
        except hiredis.ProtocolError as error:
            self._fail(error)
        return batch._replace(pongs=pongs)

    def _fail(self, error: Exception) -> BrokerError:
        self._failure = self._failure or broker_error(self._where, error)  # the first one says why
        return self._failure


def _as_error(reply: Any) -> Exception:
    return reply if isinstance(reply, Exception) else hiredis.ProtocolError(f"unexpected reply {str(reply)[:80]}")


async def _drop(connection: AbstractConnection) -> None:
    """Cut a connection. Nothing that is unsent is worth waiting for, so it is aborted and not flushed."""
    with suppress(*LIBRARY_ERRORS, RuntimeError, ssl.SSLError):
        if isinstance(connection, _Streams) and connection.is_connected:
            connection.streams()[1].transport.abort()
        await connection.disconnect()
