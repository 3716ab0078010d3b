"""The broker port on Redis or Valkey of any kind, by redis-py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gateway.broker.base import PubSubConnection
from gateway.broker.redis_commands import MAX_CONNECTIONS, RedisCommands
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock


class RedisBroker:
    """Keeps `broker.base.Broker` on `RedisCommands`, which others may use too. For one event loop, not thread-safe.

    Args:
        commands: of duty `commands`; `close` closes it.
    """

    def __init__(self, commands: RedisCommands) -> None:
        self._commands = commands

    async def ping(self) -> None:
        """See `Broker.ping`."""
        await self._commands.ping()

    async def publish(self, channel: str, payload: bytes) -> int:
        """See `Broker.publish`."""
        async with self._commands.asking() as client:
            return int(await client.publish(channel, payload))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Broker.get_many`."""
        return await self._commands.get_many(keys)

    async def set_members(self, key: str) -> frozenset[bytes]:
        """See `Broker.set_members`."""
        async with self._commands.asking() as client:
            # The stubs cannot tell that nothing is decoded here (`decode_responses`).
            return frozenset(cast("set[bytes]", await client.smembers(key)))

    async def info(self) -> dict[str, str]:
        """See `Broker.info`."""
        return await self._commands.info()

    async def pubsub(self) -> PubSubConnection:
        """See `Broker.pubsub`."""
        return await self._commands.pubsub()

    async def close(self) -> None:
        """See `Broker.close`. Pub/Sub connections belong to who asked for them."""
        await self._commands.close()


def create_broker(
    url: str,
    *,
    breaker: CircuitBreaker | None = None,
    timeout: float = 5.0,
    max_connections: int = MAX_CONNECTIONS,
) -> RedisBroker:
    """The broker for a URL; without `breaker` one of the default numbers.

    Raises:
        SettingsError: the URL is malformed, or has an option that cannot be used.
    """
    breaker = breaker or CircuitBreaker("commands", SystemClock())
    return RedisBroker(RedisCommands(url, breaker, timeout=timeout, max_connections=max_connections))
