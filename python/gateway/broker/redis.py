"""The broker port on one Redis or Valkey server, by redis-py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from gateway.broker.redis_commands import MAX_CONNECTIONS, RedisCommands
from gateway.broker.redis_pubsub import RedisPubSubConnection
from gateway.broker.url import redact_url
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock

__all__ = ["RedisBroker", "create_broker", "redact_url"]


class RedisBroker:
    """Keeps `broker.base.Broker`. Connects on first use; for one event loop, not thread-safe.

    Args:
        commands: of duty `commands`; the broker closes it. Pub/Sub connections come on top of its own.
    """

    def __init__(self, commands: RedisCommands) -> None:
        self._commands = commands

    async def ping(self) -> None:
        """See `Broker.ping`."""
        async with self._commands.asking() as client:
            await client.ping()

    async def publish(self, channel: str, payload: bytes) -> int:
        """See `Broker.publish`."""
        async with self._commands.asking() as client:
            return int(await client.publish(channel, payload))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """See `Broker.get_many`."""
        if not keys:
            return []
        async with self._commands.asking() as client:
            # The stubs cannot tell that nothing is decoded here (`decode_responses`).
            return cast("list[bytes | None]", await client.mget(keys))

    async def set_members(self, key: str) -> frozenset[bytes]:
        """See `Broker.set_members`."""
        async with self._commands.asking() as client:
            return frozenset(cast("set[bytes]", await client.smembers(key)))

    async def info(self) -> dict[str, str]:
        """See `Broker.info`. Two commands: servers before version 7 take one section at a time."""
        async with self._commands.asking() as client:
            server = await client.info("server")
            memory = await client.info("memory")
        return {name: str(value) for name, value in (server | memory).items()}

    async def pubsub(self) -> RedisPubSubConnection:
        """See `Broker.pubsub`. Not behind the breaker of commands: the subscriber has its own."""
        commands = self._commands
        return await RedisPubSubConnection.connect(commands.pool, commands.where, commands.timeout)

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
        BrokerError: the URL is malformed, or of a kind that is not served.
    """
    breaker = breaker or CircuitBreaker("commands", SystemClock())
    return RedisBroker(RedisCommands(url, breaker, timeout=timeout, max_connections=max_connections))
