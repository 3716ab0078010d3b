"""A duty that must notice every lost connection: `RedisCommands`, sealed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.broker.redis_commands import RedisCommands
from gateway.errors import BrokerError, CircuitOpenError, SettingsError
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.valkey import ValkeyServer

NAME = "sealing-test"


@pytest.fixture
async def commands(valkey: ValkeyServer) -> AsyncIterator[RedisCommands]:
    breaker = CircuitBreaker("relay", SystemClock(), failures=3)
    commands = RedisCommands(f"{valkey.url}?client_name={NAME}", breaker, max_connections=1)
    yield commands
    await commands.close()


@pytest.fixture
async def kill(valkey: ValkeyServer) -> AsyncIterator[object]:
    async with Redis.from_url(valkey.url) as redis:

        async def kill() -> None:
            for client in await redis.client_list():
                if client["name"] == NAME:
                    await redis.client_kill_filter(_id=client["id"])

        yield kill


async def ask(commands: RedisCommands) -> None:
    async with commands.asking() as client:
        await client.ping()


async def test_a_connection_that_was_lost_is_made_again_silently_unless_it_is_sealed(
    commands: RedisCommands, kill: object
) -> None:
    assert callable(kill)
    await ask(commands)
    await kill()
    await ask(commands)
    await commands.reconnect()
    await ask(commands)
    await kill()
    for _ in range(2):  # it stays an error until somebody begins anew
        with pytest.raises(BrokerError, match="the connection was lost"):
            await ask(commands)
    await commands.reconnect()
    await ask(commands)


async def test_a_cancelled_command_is_no_silent_reconnect_either(commands: RedisCommands) -> None:
    await commands.reconnect()

    async def wait() -> None:
        async with commands.asking() as client:
            await client.xread({"sealing:none": "0"}, block=5_000)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(BrokerError, match="the connection was lost"):
        await ask(commands)


async def test_failures_open_the_breaker() -> None:
    commands = RedisCommands("redis://127.0.0.1:1", CircuitBreaker("relay", SystemClock(), failures=2))
    for _ in range(2):
        with pytest.raises(BrokerError, match="cannot be reached"):
            await commands.reconnect()
    with pytest.raises(CircuitOpenError):
        await commands.reconnect()


@pytest.mark.parametrize("url", ["http://x", "redis://127.0.0.1?nonsense=1", "redis+cluster://a:1/7"])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        RedisCommands(url, CircuitBreaker("relay", SystemClock()))
