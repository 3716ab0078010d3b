"""The operator API when nodes die, drain, or cannot reach Redis; and with several workers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.api import KEYS, OPERATOR, Api, eventually
from tests.support.clients import welcomed
from tests.support.gateway import run_gateway
from tests.support.serve import serve
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

ROSTER = "{gateway:nodes}:roster"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as opened:
        yield opened


async def test_a_node_that_died_is_named_as_silent_within_a_second_or_so(
    own_valkey: ValkeyServer, http: httpx.AsyncClient
) -> None:
    with run_gateway(own_valkey.url, **KEYS) as gateway:
        api = Api(http, gateway)
        async with Redis.from_url(own_valkey.url) as redis:
            await redis.zadd(ROSTER, {"deadbeef": time.time() * 1000 + 20_000})
        begun = time.monotonic()
        found = await api.get("/nodes")
        assert found["silent"] == ["deadbeef"]
        assert len(found["nodes"]) == 1
        assert time.monotonic() - begun < 10, "a second, on a quiet machine"
        assert (await api.get("/presence", tenant=1, branch=5))["silent"] == ["deadbeef"]
        response = await api.ask("DELETE", "/connections/deadbeef-1")
        assert response.status_code == 503
        assert "deadbeef" in response.json()["error"]


async def test_a_node_that_stops_or_drains_is_not_waited_for(own_valkey: ValkeyServer, http: httpx.AsyncClient) -> None:
    with run_gateway(own_valkey.url, **KEYS) as gateway:
        api = Api(http, gateway)

        async def nodes() -> int:
            return len((await api.get("/nodes"))["nodes"])

        with run_gateway(own_valkey.url, **KEYS):
            await eventually(nodes, 2)
        assert await nodes() == 1
        with run_gateway(own_valkey.url, drain_seconds=0, **KEYS) as draining:
            await eventually(nodes, 2)
            assert (await Api(http, draining).ask("POST", "/drain")).status_code == 202
            await eventually(nodes, 1)
            assert (await api.get("/nodes"))["silent"] == []
            assert (await Api(http, draining).get("/status"))["reasons"] == [
                "pubsub",
                "live",
                "announcements",
                "draining",
            ]


async def test_without_redis_a_node_still_says_how_it_does(own_valkey: ValkeyServer, http: httpx.AsyncClient) -> None:
    with run_gateway(own_valkey.url, **KEYS) as gateway:
        api = Api(http, gateway)
        async with welcomed(gateway.ws, "/ws/waiter", staff_token()) as peer:
            own_valkey.stop()

            async def reachable() -> bool:
                return "redis" not in (await api.get("/status"))["reasons"]

            await eventually(reachable, False)
            status = await api.get("/status")
            assert (status["ready"], status["dlq_length"]) == (False, None)
            assert status["connections"]["total"] == 1
            here = await api.get("/connections")
            assert [view["connection"] for view in here["connections"]] == [peer.welcome["connection_id"]]
            for method, path, body in (
                ("GET", "/nodes", None),
                ("GET", "/connections?nodes=all", None),
                ("GET", "/presence?tenant=1&branch=5", None),
                ("GET", "/history?tenant=1&branch=5", None),
                ("GET", "/dlq", None),
                ("POST", "/revoke", {"tenant": 1, "user": "12"}),
                ("POST", "/emit", {"event": {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}}),
            ):
                response = await api.ask(method, path, json=body)
                assert response.status_code == 503, (path, response.text)
                assert "password" not in response.text
            # Disconnecting somebody here asks nobody.
            assert (await api.ask("DELETE", f"/connections/{peer.welcome['connection_id']}")).status_code == 200
            assert await peer.close_code() == 1008
            own_valkey.start()


async def test_what_is_forged_on_the_nodes_channel_ends_nothing(
    own_valkey: ValkeyServer, http: httpx.AsyncClient
) -> None:
    with run_gateway(own_valkey.url, **KEYS) as gateway:
        api = Api(http, gateway)
        question = {"id": "0" * 32, "asker": "forger", "kind": "close", "args": {}}
        async with Redis.from_url(own_valkey.url) as redis, welcomed(gateway.ws, "/ws/waiter", staff_token()) as peer:
            for odd in (
                b"",
                b"\xff" * 100,
                json.dumps(question).encode(),
                json.dumps(question | {"args": {"number": "x", "code": 1008}}).encode(),
                json.dumps(question | {"args": {"number": 10**30, "code": 1008}}).encode(),
                json.dumps(question | {"args": {"number": 1, "code": 99999}}).encode(),
                json.dumps(question | {"kind": "rooms", "args": {"after": [1], "limit": -1, "tenant": None}}).encode(),
                json.dumps(question | {"kind": "connections", "args": {"wanted": 5}}).encode(),
            ):
                assert await redis.publish("gateway:nodes", odd) == 1
            await peer.send("ping")
            assert (await peer.json())["type"] == "pong"
            assert (await api.get("/status"))["ready"] is True
            assert await redis.ttl("{gateway:answers:" + "0" * 32 + "}") <= 10


async def test_each_worker_is_a_node_and_any_of_them_answers_for_all(
    tmp_path: Path, own_valkey: ValkeyServer, http: httpx.AsyncClient
) -> None:
    settings = {"GATEWAY_REDIS_URL": own_valkey.url, "GATEWAY_OPERATOR_KEY": OPERATOR}
    with serve(tmp_path, "--workers", "2", ready=False, **settings) as gateway:
        headers = {"Authorization": f"Bearer {OPERATOR}"}

        async def nodes() -> int:
            try:
                response = await http.get(f"{gateway.http}/api/v1/nodes", headers=headers)
            except httpx.HTTPError:
                return 0
            return len(response.json()["nodes"]) if response.status_code == 200 else 0

        await eventually(nodes, 2, seconds=40)
        peers = []
        async with asyncio.TaskGroup() as tasks:
            leave = asyncio.Event()

            async def come(number: int) -> None:
                async with welcomed(gateway.ws, "/ws/waiter", staff_token(user=f"u{number}")) as peer:
                    peers.append(peer)
                    await leave.wait()

            for number in range(6):
                tasks.create_task(come(number))
            async with asyncio.timeout(20):
                while len(peers) < 6:
                    await asyncio.sleep(0.02)
            for _ in range(4):  # whichever worker is asked
                response = await http.get(f"{gateway.http}/api/v1/connections?nodes=all", headers=headers)
                names = {view["connection"] for view in response.json()["connections"]}
                assert names == {peer.welcome["connection_id"] for peer in peers}
            for peer in peers:
                response = await http.delete(
                    f"{gateway.http}/api/v1/connections/{peer.welcome['connection_id']}", headers=headers
                )
                assert response.status_code == 200, response.text
                assert await peer.close_code() == 1008
            leave.set()
