"""The broker when the server is away, refuses, or hangs."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from gateway.broker.redis import RedisBroker, create_broker
from gateway.errors import BrokerError, CircuitOpenError, SettingsError
from gateway.resilience.circuit_breaker import FIRST_OPEN_SECONDS, BreakerState, CircuitBreaker
from tests.support.clock import FakeClock
from tests.support.settle import turns
from tests.support.valkey import ValkeyServer


@asynccontextmanager
async def broker_for(
    url: str, breaker: CircuitBreaker | None = None, timeout: float = 5.0
) -> AsyncIterator[RedisBroker]:
    broker = create_broker(url, breaker=breaker, timeout=timeout)
    try:
        yield broker
    finally:
        await broker.close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_nobody_there_is_an_error_that_names_the_server_but_not_its_password(closed_port: int) -> None:
    async with broker_for(f"redis://:geheim@127.0.0.1:{closed_port}/0") as broker:
        for call in (broker.ping, broker.pubsub):
            with pytest.raises(BrokerError, match=rf"redis://:\*\*\*@127.0.0.1:{closed_port}/0 cannot be reached") as e:
                await call()
            assert "geheim" not in str(e.value)


async def test_no_socket_there_is_an_error() -> None:
    async with broker_for("unix:///nonexistent/valkey.sock") as broker:
        for call in (broker.ping, broker.pubsub):
            with pytest.raises(BrokerError, match=r"unix:///nonexistent/valkey\.sock cannot be reached"):
                await call()


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
@pytest.mark.parametrize("way", ["tcp", "unix"])
async def test_a_wrong_login_is_an_error_that_says_so(valkey: ValkeyServer, way: str, login: str) -> None:
    url = f"redis://{login}127.0.0.1:{valkey.port}/0" if way == "tcp" else f"unix://{login}{valkey.socket}"
    async with broker_for(url) as broker:
        for call in (broker.ping, broker.pubsub):
            with pytest.raises(BrokerError, match="refused the user name or the password") as caught:
                await call()
            assert ":wrong" not in str(caught.value)


async def test_an_acl_that_is_too_narrow_is_an_error_that_says_so(valkey: ValkeyServer) -> None:
    async with Redis.from_url(valkey.url) as admin:
        await admin.execute_command("ACL", "SETUSER", "narrow", "on", ">pw", "+ping", "+subscribe", "&session:*")
    async with broker_for(f"redis://narrow:pw@127.0.0.1:{valkey.port}/0") as broker:
        await broker.ping()
        with pytest.raises(BrokerError, match=r"does not permit it .*widen the ACL"):
            await broker.get_many(["x"])
        connection = await broker.pubsub()
        await connection.subscribe(["branch:5:kitchen"])
        with pytest.raises(BrokerError, match=r"does not permit it .*access a channel"):
            await connection.read()
        await connection.close()


async def test_a_hanging_server_costs_the_time_out_and_no_more(own_valkey: ValkeyServer) -> None:
    async with broker_for(own_valkey.url, timeout=0.2) as broker:
        await broker.ping()
        own_valkey.pause()
        for call in (broker.ping, broker.pubsub):
            started = time.monotonic()
            with pytest.raises(BrokerError, match="did not answer in time"):
                await call()
            assert time.monotonic() - started < 2
        own_valkey.resume()
        # The late answer to the command that was given up must not become the answer to another.
        assert await broker.get_many(["nothing"]) == [None]
        assert await broker.publish("nobody", b"x") == 0


async def test_a_restarted_server_is_found_again_without_an_error(own_valkey: ValkeyServer) -> None:
    async with broker_for(own_valkey.url) as broker:
        await broker.ping()
        own_valkey.kill()
        own_valkey.start()
        await turns(3)  # in which the event loop hears that the pooled connection is gone
        await broker.ping()


async def test_the_breaker_opens_after_five_failures_and_closes_after_three_trials(own_valkey: ValkeyServer) -> None:
    clock = FakeClock()
    breaker = CircuitBreaker("commands", clock)
    async with broker_for(own_valkey.url, breaker) as broker:
        await broker.ping()
        own_valkey.kill()
        for _ in range(5):
            with pytest.raises(BrokerError, match="cannot be reached"):
                await broker.ping()
        with pytest.raises(CircuitOpenError):
            await broker.ping()
        own_valkey.start()
        with pytest.raises(CircuitOpenError):
            await broker.ping()
        clock.advance(FIRST_OPEN_SECONDS)
        for _ in range(3):
            assert breaker.state is BreakerState.HALF_OPEN
            await broker.ping()
        assert breaker.state is BreakerState.CLOSED


async def test_a_server_that_answers_with_errors_is_there_as_far_as_the_breaker_knows(valkey: ValkeyServer) -> None:
    breaker = CircuitBreaker("commands", FakeClock())
    async with broker_for(valkey.url, breaker) as broker, Redis.from_url(valkey.url) as admin:
        await admin.set("broker:string", "x")
        for _ in range(10):
            with pytest.raises(BrokerError, match="WRONGTYPE"):
                await broker.set_members("broker:string")
        assert breaker.state is BreakerState.CLOSED


async def test_a_cancelled_command_leaves_the_next_one_alone(valkey: ValkeyServer) -> None:
    async with broker_for(valkey.url) as broker, Redis.from_url(valkey.url) as admin:
        await admin.set("broker:value", "mine")
        for moment in range(12):
            task = asyncio.create_task(broker.get_many(["broker:value"]))
            for _ in range(moment):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            assert await broker.publish("broker:nobody", b"x") == 0
            assert await broker.get_many(["broker:none", "broker:value"]) == [None, b"mine"]


async def test_a_killed_server_ends_a_waiting_read(own_valkey: ValkeyServer) -> None:
    async with broker_for(own_valkey.url) as broker:
        connection = await broker.pubsub()
        await connection.subscribe(["session:1"])
        await connection.read()
        reading = asyncio.create_task(connection.read())
        await asyncio.sleep(0)
        own_valkey.kill()
        async with asyncio.timeout(10):
            with pytest.raises(BrokerError):
                await reading
        await connection.close()


@pytest.mark.parametrize(
    "kind", ["redis://127.0.0.1:6379/0", "redis+sentinel://127.0.0.1/m", "redis+cluster://127.0.0.1"]
)
@pytest.mark.parametrize("option", ["no_such_option=1", "db=x", "socket_timeout=geheim"])
async def test_a_url_that_cannot_be_used_is_refused_before_anything_is_connected(kind: str, option: str) -> None:
    with pytest.raises(SettingsError, match="the Redis URL"):
        create_broker(f"{kind}?{option}")


def test_a_malformed_url_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected one like redis"):
        create_broker("redis+cluster://127.0.0.1:7000/1")
