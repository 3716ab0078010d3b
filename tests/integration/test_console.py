"""The console's page and its socket, by a real gateway under a real uvicorn."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.endpoints.console.desk import MAX_SOCKETS
from tests.integration.conftest import Producer
from tests.support.clients import Client, welcomed
from tests.support.critical import emit_all
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

READING = "a key of the tests that may read and nothing else"
PUBLISHING = "a key of the tests that may publish and nothing else"
KEY = "operator key of the tests: = / + and more"
WRITTEN = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def keyed(valkey: ValkeyServer) -> Iterator[RunningGateway]:
    scoped = {"api_read_keys": f"look:{READING}", "api_publish_keys": f"send:{PUBLISHING}"}
    with run_gateway(valkey.url, operator_key=KEY, **scoped) as running:
        yield running


@asynccontextmanager
async def console(running: RunningGateway, *protocols: Any, **options: Any) -> AsyncIterator[Client]:
    async with connect(f"{running.ws}/ws/console", subprotocols=protocols or None, **options) as connection:
        yield Client(connection)


async def heard(peer: Client, kind: str) -> Any:
    while (message := await peer.json())["type"] != kind:
        pass
    return message


async def test_without_a_key_it_is_open_to_a_developers_own_machine(gateway: RunningGateway) -> None:
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=41)), console(gateway) as peer:
        welcome = await peer.json()
        assert (welcome["scopes"], welcome["tokens"]) == (["operate", "publish", "read"], True)
        status = (await heard(peer, "status"))["status"]
    assert status["connections"]["kitchen"] >= 1
    assert status["connections"]["total"] == sum(
        status["connections"][name] for name in ("waiter", "kitchen", "admin", "diner")
    )
    assert status["breakers"]["commands"] == "closed"
    assert (status["ready"], status["reasons"], status["draining"]) == (True, [], False)


async def test_a_published_and_an_emitted_event_are_in_the_tail(gateway: RunningGateway, producer: Producer) -> None:
    event = {"type": "ROUND_READY", "tenant_id": 42, "branch_id": 5, "note": "ñandú"}
    async with (
        welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=42)) as client,
        console(gateway) as peer,
    ):
        await peer.send({"type": "tail", "on": True, "filter": {"tenant": 42}})
        await peer.send(b"a binary message")
        assert "expected type tail" in (await heard(peer, "error"))["error"]
        await producer.publish("branch:5:kitchen", {**event, "tenant_id": 43})
        await producer.publish("branch:5:kitchen", event)
        [shown] = (await heard(peer, "events"))["events"]
        assert json.loads(shown["event"]) == event
        assert (shown["tenant"], shown["branch"], shown["critical"]) == (42, 5, False)
        assert shown["audiences"] == ["branch:5:kitchen"]
        [event_id] = await emit_all(producer.redis, [event])
        [critical] = (await heard(peer, "events"))["events"]
        assert critical["critical"] is True
        assert critical["position"].startswith(f"{event_id}/")
        assert (await client.json())["note"] == "ñandú"
        assert (await client.json())["event_id"] == event_id


async def test_who_was_closed_for_reading_too_slowly_is_told_by_name(
    gateway: RunningGateway, producer: Producer
) -> None:
    token = staff_token("ADMIN", tenant=46, user="asleep")
    # Critical, so that none can be dropped in place of the close; more than the kernel's buffers and the outbox hold.
    event = {"type": "ENTITY_UPDATED", "tenant_id": 46, "branch_id": 5, "x": "x" * 60_000}
    # The client library stops reading the socket when one message waits for us.
    async with welcomed(gateway.ws, "/ws/admin", token, max_queue=1) as slow, console(gateway) as peer:
        await emit_all(producer.redis, [event] * 200)
        told: list[dict[str, Any]] = []
        while not told:
            told = [client for client in (await heard(peer, "slow"))["clients"] if client["tenant"] == 46]
    [client] = told
    assert (client["subject"], client["endpoint"]) == ("user:asleep", "admin")
    assert client["connection"] == slow.welcome["connection_id"]


async def test_a_paused_tail_says_nothing_while_the_status_goes_on(gateway: RunningGateway, producer: Producer) -> None:
    event = {"type": "ROUND_READY", "tenant_id": 44, "branch_id": 5}
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=44)), console(gateway) as peer:
        for on in (True, False):
            await peer.send({"type": "tail", "on": on, "filter": {"tenant": 44}})
        await peer.send("sync")
        await heard(peer, "error")
        await producer.publish("branch:5:kitchen", event)
        kinds = {(await peer.json())["type"] for _ in range(3)}
    assert "status" in kinds
    assert "events" not in kinds


@pytest.mark.parametrize("protocols", [("bearer", "wrong"), ("bearer-base64url", "d3Jvbmc"), ("bearer-base64url", "!")])
async def test_a_wrong_key_is_told_so(keyed: RunningGateway, protocols: tuple[str, ...]) -> None:
    async with console(keyed, *protocols) as peer:
        assert await peer.close_code() == 4001


async def test_the_right_key_opens_by_subprotocol_and_by_header(keyed: RunningGateway) -> None:
    async with console(keyed, "bearer-base64url", WRITTEN) as peer:
        assert peer.connection.subprotocol == "bearer-base64url"
        assert (await peer.json())["type"] == "welcome"
    async with console(keyed, additional_headers={"Authorization": f"Bearer {KEY}"}) as peer:
        assert (await peer.json())["type"] == "welcome"


async def test_a_key_that_may_read_is_enough_and_one_that_may_not_is_told_so(keyed: RunningGateway) -> None:
    async with console(keyed, additional_headers={"Authorization": f"Bearer {READING}"}) as peer:
        welcome = await peer.json()
        assert (welcome["scopes"], welcome["tokens"]) == (["read"], False)
    async with console(keyed, additional_headers={"Authorization": f"Bearer {PUBLISHING}"}) as peer:
        assert await peer.close_code() == 4003


@pytest.mark.parametrize(
    ("query", "options", "status"),
    [
        ("", {}, 401),
        (f"?token={WRITTEN}&key={WRITTEN}", {}, 401),
        ("", {"origin": "https://evil.example", "subprotocols": ["bearer-base64url", WRITTEN]}, 403),
    ],
)
async def test_no_key_a_key_in_the_url_and_another_page_are_denied(
    query: str, options: dict[str, Any], status: int, keyed: RunningGateway
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{keyed.ws}/ws/console{query}", **options)
    assert refused.value.response.status_code == status


async def test_what_came_through_a_proxy_needs_a_key(gateway: RunningGateway) -> None:
    headers = {"X-Forwarded-For": "127.0.0.1"}
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{gateway.ws}/ws/console", additional_headers=headers)
    assert refused.value.response.status_code == 401
    async with httpx.AsyncClient(base_url=gateway.http) as http:
        assert (await http.get("/console/access", headers=headers)).json() == {"access": "closed"}
        assert (await http.get("/console/access")).json() == {"access": "open"}


async def test_a_few_operators_fit_and_the_next_is_told(keyed: RunningGateway) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_SOCKETS):
            peer = await stack.enter_async_context(console(keyed, "bearer-base64url", WRITTEN))
            assert (await peer.json())["type"] == "welcome"
        async with console(keyed, "bearer-base64url", WRITTEN) as more:
            assert await more.close_code() == 4029

    async def has_a_seat() -> bool:
        async with console(keyed, "bearer-base64url", WRITTEN) as peer:
            try:
                return bool((await peer.json())["type"] == "welcome")
            except ConnectionClosed:
                return False

    async with asyncio.timeout(10):
        while not await has_a_seat():
            pass  # the gateway has yet to read that they are gone


async def test_the_page_is_served_with_its_files_and_its_policy(keyed: RunningGateway) -> None:
    async with httpx.AsyncClient(base_url=keyed.http) as http:
        moved = await http.get("/console")
        assert (moved.status_code, moved.headers["location"]) == (307, "console/")
        page = await http.get("/console/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        script = await http.get("/console/main.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert (
            await http.get("/console/main.js", headers={"If-None-Match": script.headers["etag"]})
        ).status_code == 304
        for other in ("nothing.js", "..%2Fapp.py", "%2e%2e/app.py", "__init__.py"):
            assert (await http.get(f"/console/{other}")).status_code == 404
        assert (await http.get("/console/access")).json() == {"access": "key"}


async def test_tokens_are_made_for_the_operator_in_development(gateway: RunningGateway, keyed: RunningGateway) -> None:
    wanted = {"kind": "staff", "tenant": 45, "user": "12", "branches": [5], "role": "KITCHEN"}
    async with httpx.AsyncClient() as http:
        assert (await http.post(f"{keyed.http}/console/token", json=wanted)).status_code == 401
        own = {"Authorization": f"Bearer {KEY}"}
        assert (await http.post(f"{keyed.http}/console/token", json=wanted, headers=own)).status_code == 200
        reading = {"Authorization": f"Bearer {READING}"}
        assert (await http.post(f"{keyed.http}/console/token", json=wanted, headers=reading)).status_code == 403
        foreign = {**own, "Origin": "https://evil.example"}
        assert (await http.post(f"{keyed.http}/console/token", json=wanted, headers=foreign)).status_code == 401
        bad = await http.post(f"{gateway.http}/console/token", json={**wanted, "role": "OWNER"})
        assert bad.status_code == 400
        assert "OWNER" in bad.json()["error"]
        assert (await http.post(f"{gateway.http}/console/token", content=b" " * 20_000)).status_code == 413
        made = (await http.post(f"{gateway.http}/console/token", json=wanted)).json()
    async with welcomed(gateway.ws, made["path"].partition("?")[0], made["token"]) as client:
        assert client.welcome["type"] == "welcome"


async def test_production_makes_no_tokens_and_shows_nothing_without_a_key(valkey: ValkeyServer) -> None:
    settings = {
        "environment": "production",
        "jwt_secret": "a secret for staff tokens, long enough",
        "table_token_secret": "a secret for table tokens, long enough",
        "allowed_origins": ("https://app.example.com",),
    }
    with run_gateway(valkey.url, **settings) as production:
        async with httpx.AsyncClient(base_url=production.http) as http:
            assert (await http.get("/console/access")).json() == {"access": "closed"}
            assert (await http.post("/console/token", json={})).status_code == 404
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{production.ws}/ws/console")
        assert refused.value.response.status_code == 401


async def test_an_open_console_does_not_keep_a_gateway_from_stopping(valkey: ValkeyServer) -> None:
    peers: list[ClientConnection] = []
    with run_gateway(valkey.url) as running:
        peers.append(await connect(f"{running.ws}/ws/console"))
        await peers[0].recv()
        stop = asyncio.get_running_loop().time()
    # The block's end waits for the server, and fails where it does not stop in time.
    assert asyncio.get_running_loop().time() - stop < 10
    assert await Client(peers[0]).close_code() in {1001, 1012}
