"""What telemetry reads of Redis, by redis-py."""

from __future__ import annotations

from typing import Any, Final

from redis.exceptions import ResponseError

from gateway.broker.redis_commands import RedisCommands
from gateway.protocol.keys import DLQ, GROUP, SOURCE
from gateway.telemetry.redis_base import MemoryUse, SlowCommands, SourceUse

NEWEST: Final = 16
"""Entries of the slow log that are looked at; its numbers say how many there were beyond them."""

_MICROS: Final = 1_000_000


class RedisNumbers:
    """Keeps `telemetry.redis_base.RedisReader`. For one event loop, not thread-safe.

    Args:
        commands: of duty `commands`.
    """

    def __init__(self, commands: RedisCommands) -> None:
        self._commands = commands
        self._last_slow: dict[str, int] = {}  # by server: the number of the newest entry that was seen

    async def memory(self) -> MemoryUse:
        """See `RedisReader.memory`."""
        answers = await self._commands.on_each("INFO", "memory")
        stats = await self._commands.on_each("INFO", "stats")
        return MemoryUse(
            sum(int(answer["used_memory"]) for answer in answers.values()),
            sum(int(answer["maxmemory"]) for answer in answers.values()),
            sum(int(answer["evicted_keys"]) for answer in stats.values()),
        )

    async def slow_commands(self) -> SlowCommands:
        """See `RedisReader.slow_commands`."""
        answers = await self._commands.on_each("SLOWLOG GET", NEWEST)
        commands, slowest = 0, 0
        for server, entries in answers.items():
            last = self._last_slow.setdefault(server, max((entry["id"] for entry in entries), default=-1))
            if not entries:
                continue  # emptied by hand, which does not change the numbers
            newest = self._last_slow[server] = max(entry["id"] for entry in entries)
            if newest < last:
                last = -1  # another server, or a restarted one: it counts from 0 again
            commands += newest - last
            slowest = max([slowest, *(entry["duration"] for entry in entries if entry["id"] > last)])
        return SlowCommands(commands, slowest / _MICROS)

    async def source(self) -> SourceUse:
        """See `RedisReader.source`."""
        async with self._commands.asking(background=True) as client:
            entries = int(await client.xlen(SOURCE))
            dead_letters = int(await client.xlen(DLQ))
            groups: list[dict[str, Any]] = []
            if entries or await client.exists(SOURCE):  # XINFO calls a stream that is not there an error
                groups = await _groups(client)
        ours = next((group for group in groups if group["name"] == GROUP.encode()), None)
        if ours is None:
            return SourceUse(entries, None, None, dead_letters)
        return SourceUse(entries, ours["pending"], ours["lag"], dead_letters)


async def _groups(client: Any) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = await client.xinfo_groups(SOURCE)
    except ResponseError as error:
        if "no such key" in str(error):
            return []  # gone in between
        raise
    return found
