"""Both clients against real gateways, and against servers that do as the test says."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.typing import Subprotocol

from gateway.client import AsyncPublisher
from tests.integration.conftest import Producer
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.node import require_typescript_client
from tests.support.sdk import CLIENTS
from tests.support.serve import free_port, serve
from tests.support.tcp_relay import TcpRelay
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

Connect = Callable[..., Any]
TENANT = 7100
READY = {"type": "ROUND_READY", "tenant_id": TENANT, "branch_id": 5, "session_id": 77}


@pytest.fixture(params=["python", "typescript"])
def client(request: pytest.FixtureRequest) -> Connect:
    if request.param == "typescript":
        require_typescript_client()
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def gateway(valkey: ValkeyServer) -> Iterator[RunningGateway]:
    """One kind of sockets is enough here: what they do on the wire is the same, and tested elsewhere."""
    with run_gateway(valkey.url) as running:
        yield running


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A source stream of the test's own: on the shared one another gateway may relay, and keep a longer history."""
    with run_valkey() as server:
        yield server


def kitchen(user: str = "sdk", *, expires_in: int = 3600) -> str:
    return staff_token("KITCHEN", tenant=TENANT, user=user, expires_in=expires_in)


async def test_events_arrive_in_order_and_once(client: Connect, gateway: RunningGateway, producer: Producer) -> None:
    async with client(gateway.ws, "kitchen", kitchen) as sdk:
        await sdk.until("state", "open")
        for number in range(500):
            await producer.publish("branch:5:kitchen", READY | {"n": number})
        while len(sdk.all("event")) < 500:
            await sdk.next()
        assert [event["n"] for event in sdk.all("event")] == list(range(500))
        await sdk.close()
        await sdk.until("state", "closed")
    assert sdk.all("giveUp") == []


async def test_it_outlives_a_gateway_that_is_killed_and_started_again(
    client: Connect, valkey: ValkeyServer, producer: Producer, tmp_path: Path
) -> None:
    port = free_port()
    with serve(tmp_path, port=port, GATEWAY_REDIS_URL=valkey.url) as first:
        async with client(first.ws, "kitchen", kitchen) as sdk:
            await sdk.until("state", "open")
            first.process.kill()
            first.process.wait()
            await sdk.until("state", "waiting")
            with serve(tmp_path, port=port, GATEWAY_REDIS_URL=valkey.url):
                await sdk.until("state", "open")
                await producer.publish("branch:5:kitchen", READY)
                assert await sdk.until("event") == READY
    assert sdk.all("giveUp") == []


async def test_a_token_is_renewed_on_the_live_connection(
    client: Connect, gateway: RunningGateway, producer: Producer
) -> None:
    lives = iter([12, 3600])
    began = time.monotonic()
    async with client(gateway.ws, "kitchen", lambda: kitchen("renews", expires_in=next(lives))) as sdk:
        await sdk.until("state", "open")
        while len(sdk.all("ask")) < 2:
            await sdk.next()
        # Past the end of the first token.
        await asyncio.sleep(max(0.0, began + 13 - time.monotonic()))
        await producer.publish("branch:5:kitchen", READY)
        assert await sdk.until("event") == READY
        assert sdk.all("state") == ["connecting", "open"]


async def test_an_expired_token_is_replaced_by_a_fresh_one(client: Connect, gateway: RunningGateway) -> None:
    lives = iter([2, 3600])
    async with client(gateway.ws, "kitchen", lambda: kitchen("expires", expires_in=next(lives))) as sdk:
        await sdk.until("state", "open")
        await sdk.until("state", "waiting")
        await sdk.until("state", "open")
        assert len(sdk.all("ask")) == 2


async def test_a_fresh_token_that_is_as_bad_is_the_end(client: Connect, gateway: RunningGateway) -> None:
    numbers = iter(range(10))

    def bad() -> str:
        return staff_token("KITCHEN", secret="x" * 32, user=f"bad-{next(numbers)}")

    async with client(gateway.ws, "kitchen", bad) as sdk:
        assert await sdk.until("giveUp") == {"code": 4001, "attempts": 1}
        assert len(sdk.all("ask")) == 2


async def test_a_role_that_does_not_fit_is_the_end(client: Connect, gateway: RunningGateway) -> None:
    async with client(gateway.ws, "admin", kitchen) as sdk:
        assert await sdk.until("giveUp") == {"code": 4003, "attempts": 0}


async def test_one_connection_too_many_is_the_end(client: Connect, gateway: RunningGateway) -> None:
    def crowd() -> str:
        return kitchen("crowd")

    async with (
        client(gateway.ws, "kitchen", crowd) as first,
        client(gateway.ws, "kitchen", crowd) as second,
        client(gateway.ws, "kitchen", crowd) as third,
    ):
        for sdk in (first, second, third):
            await sdk.until("state", "open")
        async with client(gateway.ws, "kitchen", crowd) as fourth:
            assert await fourth.until("giveUp") == {"code": 4029, "attempts": 0}


async def test_a_diner_hears_its_session(client: Connect, gateway: RunningGateway, producer: Producer) -> None:
    cart = {"type": "CART_CLEARED", "tenant_id": TENANT, "branch_id": 5, "session_id": 99}
    async with client(gateway.ws, "diner", lambda: table_token(tenant=TENANT, session=99)) as sdk:
        await sdk.until("state", "open")
        await producer.publish("session:99", cart)
        assert await sdk.until("event") == cart


async def test_a_link_that_stalls_is_noticed_and_left(
    client: Connect, valkey: ValkeyServer, producer: Producer, tmp_path: Path
) -> None:
    with serve(tmp_path, GATEWAY_REDIS_URL=valkey.url, GATEWAY_HEARTBEAT_INTERVAL="1") as node:
        async with TcpRelay(node.port).running() as relay:
            url = f"ws://127.0.0.1:{relay.port}"
            async with client(url, "kitchen", kitchen, answer_within=2) as sdk:
                await sdk.until("state", "open")
                relay.stall()
                await sdk.until("state", "waiting")
                await sdk.until("state", "open")
                await producer.publish("branch:5:kitchen", READY)
                assert await sdk.until("event") == READY


async def test_critical_events_that_were_missed_follow_once_and_in_order(
    client: Connect, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    port = free_port()
    with serve(tmp_path, port=port, GATEWAY_REDIS_URL=own_valkey.url) as first:
        async with (
            AsyncPublisher.from_url(own_valkey.url) as publisher,
            client(first.ws, "kitchen", lambda: kitchen("misses")) as sdk,
        ):
            await sdk.until("state", "open")
            await publisher.emit(READY | {"n": 0})
            await sdk.until("event")
            first.process.kill()
            first.process.wait()
            await sdk.until("state", "waiting")
            sent = [await publisher.emit(READY | {"n": number}) for number in range(1, 301)]
            with serve(tmp_path, port=port, GATEWAY_REDIS_URL=own_valkey.url):
                while len(sdk.all("event")) < 301:
                    await sdk.next()
                sent.append(await publisher.emit(READY | {"n": 301}))
                await sdk.until("event")
    events = sdk.all("event")
    assert [event["n"] for event in events] == list(range(302))
    assert [event["event_id"] for event in events[1:]] == sent
    assert sdk.all("stale") == []


async def test_a_history_that_does_not_reach_back_makes_the_state_stale_once(
    client: Connect, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    short = {"GATEWAY_REDIS_URL": own_valkey.url, "GATEWAY_HISTORY_EVENTS": "10"}
    # The network is cut, not the node: it relays on, and forgets, while the client is away.
    with serve(tmp_path, **short) as node:
        async with (
            TcpRelay(node.port).running() as relay,
            AsyncPublisher.from_url(own_valkey.url) as publisher,
            client(f"ws://127.0.0.1:{relay.port}", "kitchen", lambda: kitchen("short")) as sdk,
        ):
            await sdk.until("state", "open")
            await publisher.emit(READY | {"n": 0})
            await sdk.until("event")
            relay.refuse(True)
            relay.cut()
            await sdk.until("state", "waiting")
            # More than the node's own ring of a room holds.
            for number in range(1, 401):
                await publisher.emit(READY | {"n": number})
            relay.refuse(False)
            assert await sdk.until("stale") == [5]
            await publisher.emit(READY | {"n": 1000})
            while (await sdk.until("event"))["n"] != 1000:
                pass
            # Resumed where the welcome said: nothing more is stale.
            relay.cut()
            await sdk.until("state", "waiting")
            await publisher.emit(READY | {"n": 1001})
            assert (await sdk.until("event"))["n"] == 1001
    assert sdk.all("stale") == [[5]]


# --- a server that does as the test says -----------------------------------------------------------------------------

Script = Callable[[ServerConnection, int], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script, refuse: int = 0) -> AsyncIterator[str]:
    """A server with a script for each connection, which gets its number; the first `refuse` of them get 503."""
    count = 0

    async def run(peer: ServerConnection) -> None:
        nonlocal count
        count += 1
        await script(peer, count)

    def answer(peer: ServerConnection, _request: Request) -> Response | None:
        nonlocal refuse
        refuse -= 1
        return peer.respond(HTTPStatus.SERVICE_UNAVAILABLE, "draining\n") if refuse >= 0 else None

    bearer = [Subprotocol("bearer")]
    async with serve_websocket(run, "127.0.0.1", 0, process_request=answer, subprotocols=bearer) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def welcome(peer: ServerConnection, **members: Any) -> None:
    await peer.send(json.dumps({"type": "welcome", "connection_id": "c", "heartbeat": 30, **members}))


async def test_a_gateway_that_drains_says_when_to_come_back(client: Connect) -> None:
    left, came = 0.0, asyncio.get_running_loop().create_future()

    async def script(peer: ServerConnection, number: int) -> None:
        nonlocal left
        await welcome(peer)
        if number == 1:
            await peer.send('{"type":"reconnect","after":1.5}')
            await peer.close(1001)
            left = time.monotonic()
        else:
            came.set_result(time.monotonic())
            await peer.wait_closed()

    async with scripted(script) as url, client(url, "kitchen", lambda: "t") as sdk:
        async with asyncio.timeout(20):
            # The close handshake itself takes a moment.
            assert await came - left > 1.3
        assert sdk.all("giveUp") == []


async def test_a_node_that_answers_503_is_tried_again(client: Connect) -> None:
    async def script(peer: ServerConnection, _number: int) -> None:
        await welcome(peer)
        await peer.wait_closed()

    async with scripted(script, refuse=2) as url, client(url, "kitchen", lambda: "t") as sdk:
        await sdk.until("state", "open")
        assert sdk.all("state") == ["connecting", "waiting", "connecting", "waiting", "connecting", "open"]


async def test_nobody_there_for_all_attempts_is_the_end(client: Connect) -> None:
    async with client(f"ws://127.0.0.1:{free_port()}", "kitchen", lambda: "t", attempts=3, first_wait=0.01) as sdk:
        assert await sdk.until("giveUp") == {"code": 1006, "attempts": 3}
        assert sdk.all("state").count("connecting") == 4


async def test_positions_are_brought_back(client: Connect) -> None:
    asked: list[str] = []
    event = {"event_id": "2-0", "position": "2-0/bbbbbbbb", "type": "CHECK_PAID", "tenant_id": 1, "branch_id": 5}

    async def script(peer: ServerConnection, number: int) -> None:
        assert peer.request is not None
        asked.append(peer.request.path)
        if number == 1:
            await welcome(peer, positions={"5": "1-0/aaaaaaaa"})
            await peer.send(json.dumps(event))
            await peer.close(1001)
        else:
            await welcome(peer, positions={"5": "2-0/bbbbbbbb"}, resumed={"5": True})
            await peer.send(json.dumps(event))  # again
            await peer.send(json.dumps(event | {"event_id": "3-0", "position": "3-0/cccccccc"}))
            await peer.wait_closed()

    async with scripted(script) as url, client(url, "kitchen", lambda: "t") as sdk:
        await sdk.until("event", event)
        assert (await sdk.until("event"))["event_id"] == "3-0"
        assert sdk.all("stale") == []
    assert asked == ["/ws/kitchen", "/ws/kitchen?resume=5%3A2-0%2Fbbbbbbbb"]
