"""Limits as clients meet them: over two nodes, by address, in a storm, and after abuse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.clients import Client, client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

SOCKETS = pytest.mark.parametrize("sockets", ["native", "asgi"])


@contextmanager
def two_nodes(url: str, **settings: object) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    with run_gateway(url, **settings) as one, run_gateway(url, **settings) as other:
        yield one, other


async def code(node: RunningGateway, path: str, token: str) -> int:
    async with client(node.ws, path, token) as refused:
        return await refused.close_code()


async def joins(node: RunningGateway, path: str, token: str) -> None:
    """Join as soon as the place is free: what a node gives up, it writes in the background."""
    async with asyncio.timeout(10):
        while True:
            async with client(node.ws, path, token) as peer:
                try:
                    assert (await peer.json())["type"] == "welcome"
                except ConnectionClosed as closed:
                    assert closed.rcvd is not None
                    assert closed.rcvd.code == 4029
                    await asyncio.sleep(0.02)
                    continue
                return


@SOCKETS
async def test_a_users_connections_are_counted_over_all_nodes(sockets: str, valkey: ValkeyServer) -> None:
    token = staff_token(user=f"many-{sockets}")
    with two_nodes(valkey.url, sockets=sockets) as (one, other):
        async with (
            welcomed(one.ws, "/ws/waiter", token),
            welcomed(other.ws, "/ws/waiter", token),
            welcomed(one.ws, "/ws/waiter", token),
        ):
            assert await code(other, "/ws/waiter", token) == 4029
            assert await code(one, "/ws/waiter", token) == 4029
            async with welcomed(other.ws, "/ws/waiter", staff_token(user="another")):
                pass
        for node in (one, other):
            await joins(node, "/ws/waiter", token)


@SOCKETS
async def test_table_sessions_and_tenants_are_counted_over_all_nodes(sockets: str, valkey: ValkeyServer) -> None:
    with two_nodes(valkey.url, sockets=sockets, max_connections_per_session=2, max_connections_per_tenant=3) as (
        one,
        other,
    ):
        at = {"tenant": 31 if sockets == "native" else 32}
        async with (
            welcomed(one.ws, "/ws/diner", table_token(session=1, **at)),
            welcomed(other.ws, "/ws/diner", table_token(session=1, **at)),
        ):
            assert await code(one, "/ws/diner", table_token(session=1, **at)) == 4029
            async with welcomed(one.ws, "/ws/diner", table_token(session=2, **at)):
                assert await code(other, "/ws/diner", table_token(session=3, **at)) == 4029
                async with welcomed(other.ws, "/ws/diner", table_token(session=3, tenant=33)):
                    pass


@SOCKETS
async def test_who_sends_too_much_is_refused_on_every_node(sockets: str, valkey: ValkeyServer) -> None:
    token = staff_token(user=f"abuser-{sockets}")
    with two_nodes(valkey.url, sockets=sockets) as (one, other):
        async with welcomed(one.ws, "/ws/waiter", token) as peer:
            await _flood(peer)
            assert await peer.close_code() == 4029
        async with asyncio.timeout(10):
            while await _first(other, token) == "welcome":
                await asyncio.sleep(0.02)
        assert await code(one, "/ws/waiter", token) == 4029
        async with welcomed(one.ws, "/ws/waiter", staff_token(user="calm")):
            pass
        async with Redis.from_url(valkey.url) as redis:
            assert 0 < await redis.ttl(f"{{tenant:1}}:rate:abuse:user:abuser-{sockets}") <= 60
        async with httpx.AsyncClient() as http:
            scrape = (await http.get(one.http + "/ws/metrics")).text
        assert 'gateway_handshakes_total{endpoint="waiter",outcome="penalised"} 1.0' in scrape
        assert "gateway_penalties_total 1.0" in scrape


async def _flood(peer: Client) -> None:
    try:
        for _ in range(60):
            await peer.send("ping")
    except ConnectionClosed:
        pass


async def _first(node: RunningGateway, token: str) -> str:
    async with client(node.ws, "/ws/waiter", token) as peer:
        try:
            return str((await peer.json())["type"])
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == 4029
            return "refused"


async def test_redis_away_lets_nobody_in() -> None:
    with run_valkey() as server, run_gateway(server.url) as gateway:
        server.kill()
        assert await code(gateway, "/ws/waiter", staff_token()) == 1013


# --- by address --------------------------------------------------------------------------------------------------


async def _status(node: RunningGateway, address: str, token: str | None = None) -> tuple[int, httpx.Headers | None]:
    try:
        async with client(node.ws, "/ws/waiter", token, additional_headers={"X-Forwarded-For": address}):
            return 101, None
    except InvalidStatus as error:
        return error.response.status_code, httpx.Headers(list(error.response.headers.raw_items()))


async def test_an_address_has_so_many_attempts_before_any_token_is_looked_at(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url, attempt_rate=0.5, trusted_proxies=("127.0.0.0/8",)) as gateway:
        for _ in range(5):
            assert (await _status(gateway, "203.0.113.9"))[0] == 401
        status, headers = await _status(gateway, "203.0.113.9", staff_token())
        assert status == 429
        assert headers is not None
        assert 1 <= int(headers["retry-after"]) <= 2
        assert (await _status(gateway, "198.51.100.7, 203.0.113.9"))[0] == 429, "what the client wrote is not believed"
        assert (await _status(gateway, "203.0.113.10", staff_token()))[0] == 101


async def test_an_address_is_not_believed_from_who_is_not_trusted(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url, attempt_rate=0.1) as gateway:
        for _ in range(5):
            assert (await _status(gateway, "203.0.113.9"))[0] == 401


# --- in a storm --------------------------------------------------------------------------------------------------


async def test_a_storm_is_taken_up_at_the_rate_and_the_rest_is_told_to_come_back(valkey: ValkeyServer) -> None:
    statuses: dict[str, list[str]] = {"diner": [], "kitchen": []}

    async def join(path: str, token: str) -> None:
        try:
            async with welcomed(gateway.ws, path, token):
                statuses[path.rpartition("/")[2]].append("welcome")
        except InvalidStatus as error:
            assert error.response.status_code == 503
            assert 1 <= int(error.response.headers["Retry-After"]) <= 10
            statuses[path.rpartition("/")[2]].append("503")

    with run_gateway(valkey.url, join_rate=5.0) as gateway:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(join("/ws/diner", table_token(session=number + 1)))
            await asyncio.sleep(0.3)
            for number in range(10):
                group.create_task(join("/ws/kitchen", staff_token("KITCHEN", user=f"cook-{number}")))
    assert statuses["kitchen"] == ["welcome"] * 10
    assert 10 <= statuses["diner"].count("welcome") <= 27
    assert statuses["diner"].count("503") >= 23


async def test_the_last_places_are_for_staff(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url, max_connections=4, staff_reserve=50.0) as gateway:
        async with AsyncExitStack() as stack:
            for session in (1, 2):
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token(session=session)))
            with pytest.raises(InvalidStatus, match="503"):
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token(session=3)))
            for user in ("a", "b"):
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/waiter", staff_token(user=user)))
            with pytest.raises(InvalidStatus, match="503"):
                await stack.enter_async_context(welcomed(gateway.ws, "/ws/waiter", staff_token(user="c")))


@SOCKETS
async def test_a_refreshed_token_keeps_its_place(sockets: str, valkey: ValkeyServer) -> None:
    user = f"refresher-{sockets}"
    with run_gateway(valkey.url, sockets=sockets) as gateway:
        async with Redis.from_url(valkey.url) as redis:
            key = f"{{tenant:1}}:presence:user:{user}"
            async with welcomed(gateway.ws, "/ws/waiter", staff_token(user=user)) as peer:
                before = await redis.zrange(key, 0, -1)
                assert len(before) == 1
                await peer.send({"type": "refresh_token", "token": staff_token(user=user)})
                assert (await peer.json())["type"] == "token_refreshed"
            async with asyncio.timeout(10):
                while await redis.zrange(key, 0, -1):
                    await asyncio.sleep(0.02)
