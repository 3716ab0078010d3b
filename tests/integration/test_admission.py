"""Who is turned away before the upgrade, and with which status."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from tests.support.clients import client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

PATHS = ("/ws/waiter", "/ws/kitchen", "/ws/admin", "/ws/diner")


async def refused(url: str, path: str, token: str | None, **options: object) -> int:
    with pytest.raises(InvalidStatus) as error:
        async with client(url, path, token, **options):
            pass
    return error.value.response.status_code


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        (None, True),
        ("https://app.example.com", True),
        ("HTTPS://APP.example.com:443", True),
        ("http://app.example.com", False),
        ("https://app.example.com.evil.test", False),
        ("https://evil.test", False),
        ("https://app.example.com@evil.test", False),
        ("null", False),
    ],
)
async def test_only_listed_origins_and_clients_that_are_no_browsers_may_connect(
    origin: str | None, admitted: bool, valkey: ValkeyServer
) -> None:
    with run_gateway(valkey.url, allowed_origins=("https://app.example.com",)) as gateway:
        if admitted:
            async with welcomed(gateway.ws, "/ws/waiter", staff_token(), origin=origin):
                pass
        else:
            assert await refused(gateway.ws, "/ws/waiter", staff_token(), origin=origin) == 403


async def test_a_full_node_answers_503_and_has_room_again_when_somebody_leaves(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url, max_connections=2) as gateway:
        async with (
            welcomed(gateway.ws, "/ws/waiter", staff_token()),
            welcomed(gateway.ws, "/ws/diner", table_token()),
        ):
            assert await refused(gateway.ws, "/ws/waiter", staff_token()) == 503
        async with welcomed(gateway.ws, "/ws/waiter", staff_token()):
            pass


async def test_handshakes_under_way_count_so_that_a_burst_does_not_overfill(valkey: ValkeyServer) -> None:
    async def outcome(number: int) -> object:
        try:
            async with welcomed(gateway.ws, "/ws/waiter", staff_token(user=str(number))):
                await asyncio.sleep(0.5)
                return "welcome"
        except InvalidStatus as error:
            return error.response.status_code

    with run_gateway(valkey.url, max_connections=5) as gateway:
        outcomes = await asyncio.gather(*(outcome(number) for number in range(12)))
    assert sorted(map(str, outcomes)) == ["503"] * 7 + ["welcome"] * 5


async def test_a_draining_node_closes_with_1001_and_takes_nobody(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", staff_token()) as peer:
            gateway.run(gateway.gateway.drain())
            assert await peer.close_code() == 1001
        assert await refused(gateway.ws, "/ws/waiter", staff_token()) == 503
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{gateway.http}/ws/health")).status_code == 200
            answer = await http.get(f"{gateway.http}/ws/health/detailed")
        assert answer.status_code == 503
        assert "draining" in answer.json()["reasons"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_plain_request_is_told_to_upgrade(path: str, gateway: RunningGateway) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{gateway.http}{path}?token=x")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert path in answer.text


async def test_redis_away_at_connect_is_1013_and_connected_clients_stay() -> None:
    with run_valkey() as own, run_gateway(own.url) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", staff_token()) as peer:
            own.kill()
            async with client(gateway.ws, "/ws/waiter", staff_token()) as late:
                assert await late.close_code() == 1013
            await peer.send("ping")
            assert (await peer.json())["type"] == "pong"
            async with httpx.AsyncClient() as http:
                answer = await http.get(f"{gateway.http}/ws/health/detailed")
            assert answer.status_code == 503
            assert "redis" in answer.json()["reasons"]


async def test_after_redis_came_back_the_same_client_hears_events_again() -> None:
    with run_valkey() as own, run_gateway(own.url, breaker_open=0.2) as gateway:
        async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN")) as peer:
            own.kill()
            own.start()
            event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
            redis = Redis.from_url(own.url)
            async with asyncio.timeout(20):
                while not await redis.publish("branch:5:kitchen", json.dumps(event)):
                    await asyncio.sleep(0.02)
            await redis.aclose()
            assert await peer.json() == event
            value = gateway.gateway.metrics.registry.get_sample_value("gateway_pubsub_interruptions_total")
            assert value == 1
            async with welcomed(gateway.ws, "/ws/waiter", staff_token()):
                pass
