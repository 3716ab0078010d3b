"""A Pub/Sub connection that is read in batches.

redis-py connects, authenticates and selects the database; from then on its stream is read here, many messages at a
time, with hiredis. redis-py's own Pub/Sub loop awaits once per message and costs several times as much per message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import hiredis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

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


class _Managed(_Streams, SentinelManagedConnection):
    """Reached by TCP where Sentinels say."""


class _ManagedTls(_Streams, SentinelManagedSSLConnection):
    """The same with TLS."""


Opened = _Tcp | _Tls | _Unix | _Managed | _ManagedTls

_CLASSES: Final[dict[type[AbstractConnection], type[Opened]]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
    SentinelManagedConnection: _Managed,
    SentinelManagedSSLConnection: _ManagedTls,
}

_MOVED: Final = ("MOVED ", "ASK ", "TRYAGAIN", "CLUSTERDOWN")
"""How a node of a cluster refuses a sharded channel that is not, or not yet, or no longer its own."""


class RedisPubSubConnection:
    """Keeps `broker.base.PubSubConnection`, in RESP2. For one event loop; one task reads, another may write."""

    def __init__(self, connection: Opened, where: str, timeout: float) -> None:
        self._connection = connection
        self._reader, self._writer = connection.streams()
        self._where = where
        self._timeout = timeout
        self._parser = hiredis.Reader(notEnoughData=_NOTHING)
        self._failure: BrokerError | None = None
        # Commands about sharded channels that are not answered yet, each as the channels whose answers are still to
        # come: so an error can be told to belong to a command, and an end that nobody asked for from one that was.
        self._sharded: deque[set[str]] = deque()

    @property
    def server(self) -> tuple[str, int]:
        """Host and port at the other end; not of a Unix socket."""
        return self._connection.host, int(self._connection.port)  # type: ignore[union-attr]

    @classmethod
    async def connect(
        cls, kind: type[AbstractConnection], options: Mapping[str, Any], where: str, timeout: float
    ) -> Self:
        """Connect as a pool's connections do, but outside the pool.

        Args:
            kind: the pool's class of connections.
            options: what it makes them with.
            where: the server's URL, redacted.
            timeout: seconds for all of it, and later for every write.

        Raises:
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        connection = _CLASSES[kind](**options)
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
        """See `PubSubConnection.ssubscribe`. In a cluster all channels of one call are of one slot."""
        self._sharded.append(set(channels))
        await self._write("SSUBSCRIBE", *channels)

    async def sunsubscribe(self, channels: Sequence[str]) -> None:
        """See `PubSubConnection.sunsubscribe`. In a cluster all channels of one call are of one slot."""
        self._sharded.append(set(channels))
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
            if any(batch):
                return batch  # else half a message came, or a failure, which the loop's condition finds
        raise self._failure

    def abandon(self, why: str) -> None:
        """Give the connection up from outside; whoever reads or writes gets the reason as an error."""
        self._fail(ConnectionResetError(why))
        self._writer.transport.abort()

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
        messages, subscribed, unsubscribed, pongs, _ = batch
        lost: list[str] = []
        self._parser.feed(data)
        next_reply = self._parser.gets
        try:
            while (reply := next_reply()) is not _NOTHING:
                match reply:
                    case [b"message" | b"smessage", channel, payload] | [b"pmessage", _, channel, payload]:
                        # A pattern also matches names that are not UTF-8. Replaced, such a name is no channel of ours.
                        messages.append(PubSubMessage(channel.decode("utf-8", "replace"), payload))
                    case [b"subscribe" | b"psubscribe", name, _]:
                        subscribed.append(name.decode())
                    case [b"unsubscribe" | b"punsubscribe", bytes(name), _]:
                        unsubscribed.append(name.decode())
                    case [b"ssubscribe" | b"sunsubscribe" as kind, bytes(name), _]:
                        asked = self._answered(name.decode())
                        told = subscribed if kind == b"ssubscribe" else unsubscribed if asked else lost
                        told.append(name.decode())
                    case [b"pong", _] | b"PONG":  # the first while subscribed, the second while not
                        pongs += 1
                    case _:
                        if not self._moved(reply, lost):
                            break
        except hiredis.ProtocolError as error:
            self._fail(error)
        self._check_lost(lost)
        return batch._replace(pongs=pongs, lost=tuple(lost))

    def _check_lost(self, lost: Sequence[str]) -> None:
        if any(name in command for command in self._sharded for name in lost):
            # An answer about a lost channel is still under way, and would be taken for that of a later command.
            self._fail(ConnectionResetError("a subscription was moved while it was changed"))

    def _moved(self, reply: Any, lost: list[str]) -> bool:
        """Whether a node of a cluster says that a channel is another's; anything else ends the connection."""
        if self._sharded and isinstance(reply, Exception) and str(reply).startswith(_MOVED):
            lost.extend(self._sharded.popleft())
            return True
        # An error (an ACL refused a command), or something that is no Pub/Sub: which command it answers cannot be told,
        # so nothing on this connection can be relied on. What came before it counts.
        self._fail(_as_error(reply))
        return False

    def _answered(self, name: str) -> bool:
        """Whether this is the next answer that is due; otherwise the server speaks of its own accord."""
        if not self._sharded or name not in self._sharded[0]:
            return False
        self._sharded[0].discard(name)
        if not self._sharded[0]:
            self._sharded.popleft()
        return True

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
