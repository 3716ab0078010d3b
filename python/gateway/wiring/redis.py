"""Connections to Redis, by duty."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.broker.embedded import EmbeddedServer
from gateway.broker.redis import RedisBroker
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class RedisParts:
    """What talks to Redis.

    Attributes:
        url: of the server; the embedded one's where the settings name none.
        commands: for whatever asks for a moment's answer.
        broker: the same, as a port.
        history: the rooms' histories, read by `commands`.
        relaying: the relay's own connection.
        relay_breaker: its breaker.
        relay_history: the rooms' histories, written by `relaying`.
    """

    url: str
    commands: RedisCommands
    broker: RedisBroker
    history: RedisHistory
    relaying: RedisCommands
    relay_breaker: CircuitBreaker
    relay_history: RedisHistory


async def redis_parts(ground: Ground) -> RedisParts:
    """Make them; nothing is connected, but an embedded server is started where no URL is set.

    Raises:
        EmbeddedServerError: it does not start.
        BrokerError: the URL is malformed.
    """
    stack = ground.stack
    url = ground.settings.redis_url or await _start_embedded(ground)
    commands = RedisCommands(url, ground.breaker("commands"))
    stack.push_async_callback(commands.close)
    # The relay's waits for events, and must be one connection: see decision 11.
    relay_breaker = ground.link_breaker("relay")
    relaying = RedisCommands(url, relay_breaker, max_connections=1)
    stack.push_async_callback(relaying.close)
    return RedisParts(
        url,
        commands,
        RedisBroker(commands),
        _history(ground, commands),
        relaying,
        relay_breaker,
        _history(ground, relaying),
    )


async def _start_embedded(ground: Ground) -> str:
    server = EmbeddedServer()
    url = await server.start()
    ground.stack.push_async_callback(server.stop)
    return url


def _history(ground: Ground, commands: RedisCommands) -> RedisHistory:
    settings = ground.settings
    return RedisHistory(
        commands,
        events=settings.history_events,
        history_seconds=settings.history_ttl,
        head_seconds=settings.head_ttl,
    )
