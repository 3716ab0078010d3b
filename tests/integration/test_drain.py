"""Stopping: readiness first, then hints when to come back, then 1001; by signal, in every worker, and at once."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.clients import Client, client, welcomed
from tests.support.gateway import run_gateway
from tests.support.serve import ServeProcess, serve
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer
from tests.support.workers import both_up

SOCKETS = pytest.mark.parametrize("sockets", ["native", "asgi"])
EVENT = {"type": "CART_SYNC", "tenant_id": 1, "branch_id": 5, "session_id": 1}


async def crowd(stack: AsyncExitStack, gateway: ServeProcess, count: int) -> list[Client]:
    return [
        await stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token(session=number + 1)))
        for number in range(count)
    ]


async def rest(peer: Client) -> tuple[list[Any], int]:
    """Every message until the close, and its code."""
    messages: list[Any] = []
    try:
        async with asyncio.timeout(30):
            while True:
                messages.append(json.loads(await peer.connection.recv()))
    except ConnectionClosed as closed:
        assert closed.rcvd is not None, "the connection was cut without a close frame"
        return messages, closed.rcvd.code


async def ended(gateway: ServeProcess) -> None:
    assert await asyncio.to_thread(gateway.process.wait, 20) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)
    assert "Traceback" not in gateway.log_text()


@SOCKETS
async def test_clients_are_told_when_to_come_back_hear_on_and_are_closed_at_the_end(
    sockets: str, tmp_path: Path, valkey: ValkeyServer
) -> None:
    settings = {"GATEWAY_SOCKETS": sockets, "GATEWAY_DRAIN_SECONDS": "3"}
    with serve(tmp_path, "--redis-url", valkey.url, **settings) as gateway:
        async with AsyncExitStack() as stack:
            peers = await crowd(stack, gateway, 12)
            begun = time.monotonic()
            gateway.process.send_signal(signal.SIGTERM)
            first = [await peer.json() for peer in peers]
            assert [message["type"] for message in first] == ["reconnect"] * 12
            for third in range(3):
                assert sum(third <= message["after"] < third + 1 for message in first) in (3, 4, 5)
            async with httpx.AsyncClient() as http:
                readiness = await http.get(gateway.http + "/ws/health/detailed")
                assert (readiness.status_code, readiness.json()["reasons"]) == (503, ["draining"])
                assert (await http.get(gateway.http + "/ws/health")).status_code == 200
            with pytest.raises(InvalidStatus) as refused:
                async with client(gateway.ws, "/ws/diner", table_token()):
                    pass
            assert refused.value.response.status_code == 503
            assert 1 <= int(refused.value.response.headers["Retry-After"]) <= 10
            async with Redis.from_url(valkey.url) as redis:
                await redis.publish("session:1", json.dumps(EVENT))
            ends = await asyncio.gather(*(rest(peer) for peer in peers))
            assert time.monotonic() - begun >= 2.9
        assert [code for _, code in ends] == [1001] * 12
        assert ends[0][0] == [EVENT], "who waits for its time hears its events"
        assert all(messages == [] for messages, _ in ends[1:])
        await ended(gateway)


async def test_a_node_that_everybody_has_left_waits_no_longer(tmp_path: Path, valkey: ValkeyServer) -> None:
    with serve(tmp_path, "--redis-url", valkey.url, GATEWAY_DRAIN_SECONDS="60") as gateway:
        async with AsyncExitStack() as stack:
            for peer in await crowd(stack, gateway, 3):
                stack.push_async_callback(peer.json)
            gateway.process.send_signal(signal.SIGTERM)
        await ended(gateway)


async def test_every_worker_sends_its_own_clients_away(tmp_path: Path, valkey: ValkeyServer) -> None:
    settings = {"GATEWAY_DRAIN_SECONDS": "1.5"}
    with serve(tmp_path, "--workers", "2", "--redis-url", valkey.url, **settings) as gateway:
        await both_up(gateway)  # until then there is one to take up everybody
        async with AsyncExitStack() as stack:
            peers: list[Client] = []
            # Who accepts a connection is the kernel's choice: as many as it takes until both have.
            while len({peer.welcome["connection_id"].partition("-")[0] for peer in peers}) < 2:
                assert len(peers) < 400, "one of two workers takes up everybody"
                peers += await asyncio.gather(
                    *(
                        stack.enter_async_context(welcomed(gateway.ws, "/ws/diner", table_token(session=number + 1)))
                        for number in range(len(peers), len(peers) + 20)
                    )
                )
            gateway.process.send_signal(signal.SIGTERM)
            ends = await asyncio.gather(*(rest(peer) for peer in peers))
        assert [code for _, code in ends] == [1001] * len(peers)
        assert [[message["type"] for message in messages] for messages, _ in ends] == [["reconnect"]] * len(peers)
        await ended(gateway)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_second_sigterm_ends_at_once(workers: str, tmp_path: Path, valkey: ValkeyServer) -> None:
    settings = {"GATEWAY_DRAIN_SECONDS": "60"}
    with serve(tmp_path, "--workers", workers, "--redis-url", valkey.url, **settings) as gateway:
        async with AsyncExitStack() as stack:
            peers = await crowd(stack, gateway, 6)
            gateway.process.send_signal(signal.SIGTERM)
            assert [(await peer.json())["type"] for peer in peers] == ["reconnect"] * 6
            gateway.process.send_signal(signal.SIGTERM)
            ends = await asyncio.gather(*(rest(peer) for peer in peers))
        assert [code for _, code in ends] == [1001] * 6
        await ended(gateway)


async def test_under_another_server_clients_are_closed_with_1001_at_once(valkey: ValkeyServer) -> None:
    async with AsyncExitStack() as stack:
        with run_gateway(valkey.url, drain_seconds=60.0) as gateway:
            peer = await stack.enter_async_context(welcomed(gateway.ws, "/ws/waiter", staff_token()))
            reading = asyncio.create_task(rest(peer))
            begun = time.monotonic()
            # The end of the block tells uvicorn to stop, as its own signal handler would, and blocks this loop: the
            # close waits in the socket until it goes on.
        assert time.monotonic() - begun < 15
        messages, code = await reading
    assert messages == []
    assert code == 1001
