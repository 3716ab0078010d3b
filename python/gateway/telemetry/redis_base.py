"""The port by which Redis is looked at: what is read of it, and who reads it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class SlowCommands(NamedTuple):
    """What Redis' slow log (`SLOWLOG GET`) holds that was not in it at the last reading.

    Attributes:
        commands: how many, as far as they are still in it or their numbers tell.
        slowest: seconds that the slowest of the newest took; 0 without any.
    """

    commands: int
    slowest: float


class MemoryUse(NamedTuple):
    """Of `INFO memory` and `INFO stats`, added up over the masters of a cluster.

    Attributes:
        used: bytes.
        limit: `maxmemory` in bytes; 0 without one.
        evicted: keys that were thrown away to make room, since the server's start.
    """

    used: int
    limit: int
    evicted: int


class SourceUse(NamedTuple):
    """Of the stream of critical events and the dead-letter queue.

    Attributes:
        entries: in the source stream.
        pending: delivered to a relay and not acknowledged; None without a group.
        waiting: not delivered to the relay yet; None without a group, or when Redis cannot tell.
        dead_letters: in the dead-letter queue.
    """

    entries: int
    pending: int | None
    waiting: int | None
    dead_letters: int


class RedisReader(Protocol):
    """Reads. For one event loop.

    Each method raises `errors.BrokerError` when Redis is away, or does not permit it.
    """

    async def memory(self) -> MemoryUse:
        """How much memory is used."""
        ...

    async def slow_commands(self) -> SlowCommands:
        """What was slow since the last call; what was before the first one does not count."""
        ...

    async def source(self) -> SourceUse:
        """How much critical events wait."""
        ...
