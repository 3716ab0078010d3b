"""The broker port: what the gateway asks of Redis, spoken without Redis' client library.

`redis.py` keeps it on real servers of every kind; `hub`, `ingest` and `endpoints` know only this page. Every method
raises `errors.BrokerError` when the server is away, refuses, or does not answer in time; never the library's own
errors. All of it is for one event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class PubSubMessage(NamedTuple):
    """One message of a Pub/Sub channel, as it came."""

    channel: str
    payload: bytes


class PubSubBatch(NamedTuple):
    """What one read of a Pub/Sub connection brought.

    Attributes:
        messages: in the order in which the server sent them.
        subscribed: channels, sharded channels or patterns whose subscription the server has confirmed.
        unsubscribed: the same for the end of a subscription.
        pongs: answers to `ping`.
        lost: sharded channels that are not subscribed any more, or were not after all, without anybody having asked for
            their end (a cluster moved the slot, or a master of it failed). No answer about them is outstanding.
    """

    messages: list[PubSubMessage]
    subscribed: list[str]
    unsubscribed: list[str]
    pongs: int
    lost: Sequence[str] = ()


class PubSubConnection(Protocol):
    """One connection in subscriber mode. Requests are written at once; confirmations come with `read`."""

    async def subscribe(self, channels: Sequence[str]) -> None:
        """Ask for channels by exact name, all in one command."""
        ...

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        """Ask for the end of these subscriptions, all in one command."""
        ...

    async def psubscribe(self, patterns: Sequence[str]) -> None:
        """Ask for channels by pattern, all in one command."""
        ...

    async def ssubscribe(self, channels: Sequence[str]) -> None:
        """Ask for sharded channels by exact name, all in one command (Redis 7 and newer, Valkey).

        A sharded channel and a plain one of the same name are two. In a cluster an adapter splits them by slot, and a
        subscription may end by itself when its slot moves; it is among `lost` then, and may be asked for again.
        """
        ...

    async def sunsubscribe(self, channels: Sequence[str]) -> None:
        """Ask for the end of these subscriptions to sharded channels, all in one command."""
        ...

    async def ping(self) -> None:
        """Ask for a sign of life."""
        ...

    async def read(self) -> PubSubBatch:
        """Wait for the next bytes and give everything that they hold; cancel-safe: a cancelled read loses nothing.

        Raises:
            BrokerError: the connection has ended.
        """
        ...

    async def close(self) -> None:
        """Close it; never raises."""
        ...


class Broker(Protocol):
    """Commands, and Pub/Sub connections."""

    async def ping(self) -> None:
        """Return when the server answers."""
        ...

    async def publish(self, channel: str, payload: bytes) -> int:
        """Publish; how many subscriptions heard it, in a cluster those of one node, though all hear it."""
        ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys, in one round trip per server, whatever their slots."""
        ...

    async def set_members(self, key: str) -> frozenset[bytes]:
        """The members of a set; empty where there is no such key."""
        ...

    async def info(self) -> dict[str, str]:
        """What `INFO server` and `INFO memory` say, for the log line at start."""
        ...

    async def pubsub(self) -> PubSubConnection:
        """A new connection in subscriber mode."""
        ...

    async def close(self) -> None:
        """Close every connection; never raises."""
        ...
