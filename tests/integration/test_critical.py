"""Critical events end to end: from the source stream to every entitled client, on one node and on two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.client import AsyncPublisher
from tests.support.clients import Client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "session_id": 77, "sector_id": 9}


@pytest.fixture
def node(own_valkey: ValkeyServer, sockets: str) -> Iterator[RunningGateway]:
    with run_gateway(own_valkey.url, sockets=sockets) as running:
        yield running


@pytest.fixture
async def publisher(own_valkey: ValkeyServer) -> AsyncIterator[AsyncPublisher]:
    opened = AsyncPublisher.from_url(own_valkey.url)
    yield opened
    await opened.close()


async def events(peer: Client, count: int) -> list[dict[str, Any]]:
    return [await peer.json() for _ in range(count)]


async def test_every_entitled_client_gets_it_once_and_nobody_else(
    node: RunningGateway, publisher: AsyncPublisher
) -> None:
    async with AsyncExitStack() as stack:

        async def join(path: str, token: str) -> Client:
            return await stack.enter_async_context(welcomed(node.ws, path, token))

        entitled = [
            await join("/ws/waiter", staff_token("WAITER", user="a", sectors=(9,))),
            await join("/ws/kitchen", staff_token("KITCHEN", user="b")),
            await join("/ws/admin", staff_token("ADMIN", user="c")),
            # In two of its audiences, and still once.
            await join("/ws/kitchen", staff_token("MANAGER", user="d")),
            await join("/ws/diner", table_token(session=77)),
        ]
        others = [
            await join("/ws/waiter", staff_token("WAITER", user="e", sectors=(8,))),
            await join("/ws/diner", table_token(session=78)),
            await join("/ws/kitchen", staff_token("KITCHEN", user="f", branches=(6,))),
            await join("/ws/kitchen", staff_token("KITCHEN", user="b", tenant=2)),
        ]
        entry_id = await publisher.emit(READY)
        for peer in entitled:
            event = await peer.json()
            assert event["event_id"] == entry_id
            assert event["position"].startswith(f"{entry_id}/")
            assert {name: event[name] for name in READY} == READY
        for peer in (*entitled, *others):
            await peer.send("ping")
            assert (await peer.json())["type"] == "pong", "nothing else has come"


async def test_positions_move_forward_for_who_hears_nothing(node: RunningGateway, publisher: AsyncPublisher) -> None:
    async with (
        welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="b")) as kitchen,
        welcomed(node.ws, "/ws/diner", table_token(session=78)) as deaf,
    ):
        assert kitchen.welcome["positions"] == {"5": "0-0"}
        await publisher.emit(READY)
        position = (await kitchen.json())["position"]
        async with asyncio.timeout(5):
            while True:
                await deaf.send("ping")
                pong = await deaf.json()
                assert pong["type"] == "pong"
                if pong["positions"] == {"5": position}:
                    break
                await asyncio.sleep(0.2)
        async with welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="late")) as late:
            assert late.welcome["positions"] == {"5": position}


async def test_a_burst_arrives_whole_and_in_order_at_every_client(
    node: RunningGateway, publisher: AsyncPublisher
) -> None:
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(
                welcomed(node.ws, "/ws/admin", staff_token("ADMIN", user=f"u{number}", branches=(5,)))
            )
            for number in range(4)
        ]
        # Twice what one room may have under way: what is refused is repaired from history.
        ids = [await publisher.emit(READY | {"n": number}) for number in range(1_000)]
        for peer in peers:
            heard = await events(peer, len(ids))
            assert [event["event_id"] for event in heard] == ids
            assert [event["n"] for event in heard] == list(range(1_000))


async def test_two_nodes_deliver_what_one_of_them_relays(own_valkey: ValkeyServer, publisher: AsyncPublisher) -> None:
    with run_gateway(own_valkey.url) as one, run_gateway(own_valkey.url) as other:
        async with (
            welcomed(one.ws, "/ws/kitchen", staff_token("KITCHEN", user="a")) as here,
            welcomed(other.ws, "/ws/kitchen", staff_token("KITCHEN", user="b")) as there,
        ):
            ids = [await publisher.emit(READY | {"n": number}) for number in range(50)]
            for peer in (here, there):
                assert [event["event_id"] for event in await events(peer, 50)] == ids


async def test_the_other_node_relays_when_the_active_one_has_gone(
    own_valkey: ValkeyServer, publisher: AsyncPublisher
) -> None:
    # The first to come has the lease.
    with run_gateway(own_valkey.url, relay_lease=1.0) as leaver, run_gateway(own_valkey.url, relay_lease=1.0) as node:
        async with welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="a")) as peer:
            first = await publisher.emit(READY)
            assert (await peer.json())["event_id"] == first
            leaver.run(leaver.gateway.drain())
            second = await publisher.emit(READY)
            assert (await peer.json())["event_id"] == second


async def test_what_cannot_be_relayed_is_in_the_dead_letter_queue_and_the_rest_goes_on(
    node: RunningGateway, publisher: AsyncPublisher, own_valkey: ValkeyServer
) -> None:
    async with (
        welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="a")) as peer,
        Redis.from_url(own_valkey.url) as redis,
    ):
        await redis.xadd("events:critical", {"event": "{"})
        await redis.xadd("events:critical", {"something": "else"})
        await redis.xadd("events:critical", {"event": json.dumps(READY | {"type": "NO_SUCH"})})
        good = await publisher.emit(READY)
        assert (await peer.json())["event_id"] == good
        letters = await redis.xrange("events:dlq")
        assert [fields[b"reason"] for _, fields in letters] == [b"bad_json", b"bad_shape", b"unknown_type"]


async def test_after_redis_came_back_with_its_data_nothing_is_missing(
    own_valkey_with_aof: ValkeyServer, sockets: str
) -> None:
    server = own_valkey_with_aof
    with run_gateway(server.url, sockets=sockets, breaker_open=0.2) as node:
        async with welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN", user="a")) as peer:
            first = await emit(server, READY)
            assert (await peer.json())["event_id"] == first
            server.kill()
            server.start()
            ids = [await emit(server, READY | {"n": number}) for number in range(20)]
            heard: list[str] = []
            async with asyncio.timeout(30):
                while len(heard) < 20:
                    message = await peer.json()
                    assert message["type"] != "gap", "history was kept, so nothing need be given up"
                    heard.append(message["event_id"])
            assert heard == ids


@pytest.fixture
def own_valkey_with_aof() -> Iterator[ValkeyServer]:
    with run_valkey({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield server


async def emit(server: ValkeyServer, event: dict[str, Any]) -> str:
    publisher = AsyncPublisher.from_url(server.url)
    try:
        return await publisher.emit(event)
    finally:
        await publisher.close()
