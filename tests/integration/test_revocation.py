"""Revocation over two nodes: real Valkey, real gateways, real clients, the client library and the command line."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import jwt
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from gateway.client import AsyncRevoker, Revoker
from gateway.client.revoking import MARGIN_SECONDS
from tests.support.cli import ended
from tests.support.clients import Client, client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

BOUND_SECONDS = 2.0
"""From the request to the last close. It takes milliseconds; the machine of a test may be busy."""


@pytest.fixture(scope="module")
def own_valkey() -> Iterator[ValkeyServer]:
    with run_valkey() as server:
        yield server


@pytest.fixture(scope="module")
def nodes(own_valkey: ValkeyServer) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    """One with native sockets and one with the server's."""
    many = {"max_connections_per_user": 100}
    with run_gateway(own_valkey.url, **many) as first, run_gateway(own_valkey.url, sockets="asgi", **many) as second:
        yield first, second


@pytest.fixture
async def back_end(own_valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_valkey.url) as connection:
        yield connection


@asynccontextmanager
async def on_both(
    nodes: tuple[RunningGateway, RunningGateway], path: str, token: str, count: int = 1
) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(welcomed(node.ws, path, token)) for node in nodes for _ in range(count)]


def jti(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


async def codes(clients: list[Client]) -> list[int]:
    return list(await asyncio.gather(*(peer.close_code() for peer in clients)))


async def alive(clients: list[Client]) -> None:
    for peer in clients:
        await peer.send("ping")
        assert (await peer.json())["type"] == "pong"


async def test_every_scope_closes_on_both_nodes_and_spares_the_others(nodes, own_valkey: ValkeyServer) -> None:
    one = staff_token(tenant=61, user="12")
    other = staff_token(tenant=61, user="12")
    cook = staff_token("KITCHEN", tenant=61, user="13")
    guest, guests = table_token(tenant=61, session=77), table_token(tenant=61, session=78)
    stranger = staff_token(tenant=62, user="12")
    async with (
        on_both(nodes, "/ws/waiter", one) as first,
        on_both(nodes, "/ws/waiter", other) as second,
        on_both(nodes, "/ws/kitchen", cook) as cooks,
        on_both(nodes, "/ws/diner", guest) as table,
        on_both(nodes, "/ws/diner", guests) as tables,
        on_both(nodes, "/ws/waiter", stranger) as strangers,
        AsyncRevoker.from_url(own_valkey.url) as revoker,
    ):
        assert (await revoker.revoke_token(jti(one))).nodes == 2
        assert await codes(first) == [4001, 4001]
        await alive([*second, *cooks, *table, *tables, *strangers])
        await revoker.revoke_user(61, "12")
        assert await codes(second) == [4001, 4001]
        await revoker.revoke_session(61, 77)
        assert await codes(table) == [4001, 4001]
        await alive([*cooks, *tables, *strangers])
        await revoker.revoke_tenant(61)
        assert await codes([*cooks, *tables]) == [4001] * 4
        await alive(strangers)


async def test_a_revoked_token_is_refused_though_its_signature_is_remembered(nodes, own_valkey: ValkeyServer) -> None:
    token = staff_token(tenant=63, user="replayed")
    async with on_both(nodes, "/ws/waiter", token) as peers, AsyncRevoker.from_url(own_valkey.url) as revoker:
        await revoker.revoke_user(63, "replayed")
        assert await codes(peers) == [4001, 4001]
    for node in nodes:
        async with client(node.ws, "/ws/waiter", token) as peer:
            assert await peer.close_code() == 4001


async def test_who_has_got_a_new_token_stays_and_comes_back(nodes, own_valkey: ValkeyServer) -> None:
    old = staff_token(tenant=64, user="12")
    async with (
        on_both(nodes, "/ws/waiter", old) as before,
        AsyncRevoker.from_url(own_valkey.url) as revoker,
        Redis.from_url(own_valkey.url) as redis,
    ):
        await revoker.revoke_user(64, "12")
        assert await codes(before) == [4001, 4001]
        await asyncio.sleep(1.1)  # `iat` has whole seconds
        async with on_both(nodes, "/ws/waiter", staff_token(tenant=64, user="12")) as after:
            # The announcement once more, as a back end does that is not sure whether it was heard.
            assert await redis.publish("auth:revoked", json.dumps({"tenant_id": 64, "user_id": "12"})) == 2
            await alive(after)


async def test_an_announcement_without_a_key_closes_nobody(nodes, back_end: Redis) -> None:
    async with on_both(nodes, "/ws/waiter", staff_token(tenant=65)) as peers:
        for forged in (b'{"tenant_id":65}', b'{"tenant_id":65,"user_id":"12"}', b"{", b'{"tenant_id":true}'):
            assert await back_end.publish("auth:revoked", forged) == 2
        await alive(peers)


async def test_the_keys_end_with_the_tokens_and_a_clock_that_is_behind_takes_nothing_back(
    own_valkey: ValkeyServer, back_end: Redis
) -> None:
    def revoke() -> None:
        with Revoker.from_url(own_valkey.url, token_max_age=600) as revoker:
            revoker.revoke_token("j-66")
            revoker.revoke_user(66, "12")
            revoker.revoke_session(66, 77)
            revoker.revoke_tenant(66)

    await asyncio.to_thread(revoke)
    keys = ["jwt:blacklist:j-66", *(f"{{tenant:66}}:revoked:{rest}" for rest in ("user:12", "session:77", "all"))]
    for key in keys:
        assert 0 < await back_end.ttl(key) <= 600 + MARGIN_SECONDS
        assert abs(float(await back_end.get(key)) - time.time()) < 60
    ahead = f"{time.time() + 1000:.6f}".encode()
    await back_end.set(keys[1], ahead)
    await asyncio.to_thread(revoke)
    assert await back_end.get(keys[1]) == ahead
    assert await back_end.ttl(keys[1]) > 0


@pytest.mark.parametrize(
    ("options", "path", "token"),
    [
        (["--user", "cli"], "/ws/waiter", staff_token(tenant=67, user="cli")),
        (["--session", "99"], "/ws/diner", table_token(tenant=67, session=99)),
        ([], "/ws/kitchen", staff_token("KITCHEN", tenant=68)),
    ],
)
async def test_the_command_line_revokes_and_says_who_heard(
    options: list[str], path: str, token: str, nodes, own_valkey: ValkeyServer
) -> None:
    tenant = "67" if options else "68"
    async with on_both(nodes, path, token) as peers:
        assert await ended("revoke", "--tenant", tenant, *options, "--redis-url", own_valkey.url) == (0, "2\n", "")
        assert await codes(peers) == [4001, 4001]


async def test_the_command_line_revokes_one_token(nodes, own_valkey: ValkeyServer) -> None:
    token = staff_token(tenant=69)
    async with on_both(nodes, "/ws/waiter", token) as peers:
        assert await ended("revoke", "--jti", jti(token), GATEWAY_REDIS_URL=own_valkey.url) == (0, "2\n", "")
        assert await codes(peers) == [4001, 4001]


async def test_a_lost_announcement_is_made_up_for_at_the_next_revalidation(own_valkey: ValkeyServer) -> None:
    with run_gateway(own_valkey.url, jwt_revalidation_interval=0.5) as node:

        def checked() -> float:
            return (
                node.gateway.metrics.registry.get_sample_value("gateway_revalidations_total", {"outcome": "passed"})
                or 0.0
            )

        async with (
            welcomed(node.ws, "/ws/waiter", staff_token(tenant=70)) as silent,
            Redis.from_url(own_valkey.url) as redis,
        ):
            # More often than the look at everybody that a starting node takes.
            async with asyncio.timeout(10):
                while checked() < 4:
                    await asyncio.sleep(0.02)
            await redis.set("{tenant:70}:revoked:user:12", str(time.time()), ex=60)
            assert await silent.close_code() == 4001


async def test_what_was_revoked_while_nobody_listened_is_closed_when_redis_is_back() -> None:
    with run_valkey({"appendonly": "yes", "appendfsync": "always"}) as server, run_gateway(server.url) as node:
        revoked, spared = staff_token(tenant=71, user="1"), staff_token(tenant=71, user="2")
        async with welcomed(node.ws, "/ws/waiter", revoked) as peer, welcomed(node.ws, "/ws/waiter", spared) as other:
            async with Redis.from_url(server.url) as redis:
                # Written, and announced to nobody: this node's connection is cut just before.
                await redis.client_kill_filter(_type="pubsub")
                await redis.set("{tenant:71}:revoked:user:1", str(time.time()), ex=60)
            assert await peer.close_code() == 4001
            await alive([other])


async def test_from_the_request_to_the_last_close_it_takes_moments_and_nothing_is_delivered_afterwards(
    nodes, own_valkey: ValkeyServer, back_end: Redis
) -> None:
    """Events flow all the while; what the revoked get after their close is nothing, and the others miss nothing."""
    users = [f"u{n}" for n in range(10)]
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(welcomed(node.ws, "/ws/admin", staff_token("ADMIN", tenant=72, user=user)))
            for node in nodes
            for user in users
        ]
        spared = [
            await stack.enter_async_context(
                welcomed(node.ws, "/ws/admin", staff_token("ADMIN", tenant=73, user="spared"))
            )
            for node in nodes
        ]
        stopped = asyncio.Event()

        async def write() -> int:
            sent = 0
            while not stopped.is_set():
                for tenant in (72, 73):
                    event = {
                        "type": "ENTITY_UPDATED",
                        "tenant_id": tenant,
                        "branch_id": 5,
                        "n": sent,
                        "at": time.time(),
                    }
                    await back_end.publish("branch:5:admin", json.dumps(event))
                sent += 1
                await asyncio.sleep(0.001)
            return sent

        async def listen(peer: Client) -> tuple[float, float]:
            """When the last event came that was published last, and when the close."""
            published = 0.0
            try:
                while True:
                    published = (await peer.json())["at"]
            except ConnectionClosed as closed:
                assert closed.rcvd is not None
                assert closed.rcvd.code == 4001
            return published, time.time()

        writing = asyncio.create_task(write())
        listening = [asyncio.create_task(listen(peer)) for peer in peers]
        await asyncio.sleep(0.2)
        async with AsyncRevoker.from_url(own_valkey.url) as revoker:
            asked = time.time()
            assert (await revoker.revoke_tenant(72)).nodes == 2
        ends = await asyncio.wait_for(asyncio.gather(*listening), 20)
        stopped.set()
        sent = await writing
        last_event, last_close = max(event for event, _ in ends), max(close for _, close in ends)
        assert last_event - asked < BOUND_SECONDS
        assert last_close - asked < BOUND_SECONDS
        for peer in spared:
            assert [(await peer.json())["n"] for _ in range(sent)] == list(range(sent))
        for node in nodes:
            registry = node.gateway.metrics.registry
            assert registry.get_sample_value("gateway_revocation_seconds_count", {}) >= 1
            within = registry.get_sample_value("gateway_revocation_seconds_bucket", {"le": "2.5"})
            assert within == registry.get_sample_value("gateway_revocation_seconds_count", {})
