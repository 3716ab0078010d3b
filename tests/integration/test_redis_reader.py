"""What telemetry reads of a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_reader import RedisNumbers
from gateway.errors import BrokerError
from gateway.protocol.keys import CONSUMER, DLQ, GROUP, SOURCE
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.cluster import run_cluster
from tests.support.valkey import run_valkey

SLOW = "for i = 1, 5000000 do end"
"""A script that takes more than the 10 ms from which on the server calls a command slow."""


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[RedisNumbers]:
    commands = RedisCommands(url, CircuitBreaker("commands", SystemClock()))
    try:
        yield RedisNumbers(commands)
    finally:
        await commands.close()


async def test_memory_and_evictions_are_the_servers() -> None:
    with run_valkey() as server, server.admin() as admin:
        admin.config_set("maxmemory", 100_000_000)
        async with reading(server.url) as reader:
            use = await reader.memory()
            assert use.used == pytest.approx(admin.info("memory")["used_memory"], rel=0.5)
            assert use.limit == 100_000_000
            assert use.evicted == 0


async def test_slow_commands_are_counted_once_whatever_becomes_of_the_log() -> None:
    with run_valkey() as server, server.admin() as admin:
        async with reading(server.url) as reader:
            admin.config_set("slowlog-log-slower-than", 0)
            admin.set("before", 1)
            assert (await reader.slow_commands()).commands == 0, "what was before the first look does not count"
            admin.config_set("slowlog-log-slower-than", -1)
            settled = (await reader.slow_commands()).commands
            assert settled >= 1
            assert (await reader.slow_commands()).commands == 0
            admin.config_set("slowlog-log-slower-than", 10_000)
            for _ in range(20):
                admin.eval(SLOW, 0)
            found = await reader.slow_commands()
            assert found.commands == 20, "their numbers tell of more than are looked at"
            assert 0.01 <= found.slowest < 5
            admin.slowlog_reset()
            assert (await reader.slow_commands()).commands == 0
            admin.eval(SLOW, 0)
            assert (await reader.slow_commands()).commands == 1


async def test_the_source_and_what_waits_in_it() -> None:
    with run_valkey() as server, server.admin() as admin:
        async with reading(server.url) as reader:
            assert await reader.source() == (0, None, None, 0)
            for n in range(5):
                admin.xadd(SOURCE, {"event": str(n)})
            assert await reader.source() == (5, None, None, 0)
            admin.xgroup_create(SOURCE, GROUP, "0")
            admin.xgroup_create(SOURCE, "somebody-elses", "$")
            admin.xreadgroup(GROUP, CONSUMER, {SOURCE: ">"}, count=2)
            admin.xadd(DLQ, {"reason": "bad_json"})
            assert await reader.source() == (5, 2, 3, 1)


async def test_a_user_that_may_not_see_the_slow_log_sees_the_rest() -> None:
    with run_valkey() as server, server.admin() as admin:
        admin.execute_command(
            "ACL", "SETUSER", "gateway", "on", ">password", "~*", "&*", "+@all", "-slowlog", "-@dangerous", "+info"
        )
        async with reading(f"redis://gateway:password@127.0.0.1:{server.port}/0") as reader:
            with pytest.raises(BrokerError, match="does not permit it"):
                await reader.slow_commands()
            assert (await reader.memory()).used > 0


async def test_of_a_cluster_all_masters_are_read() -> None:
    with run_cluster() as cluster:
        async with reading(cluster.url) as reader:
            use = await reader.memory()
            assert use.used > 2 * 500_000
            assert (await reader.slow_commands()).commands == 0
            assert await reader.source() == (0, None, None, 0)
