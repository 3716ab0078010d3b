"""Catching up over HTTP, with real tokens, a real gateway and real history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from gateway.protocol.keys import history_key
from gateway.types import Room
from tests.support.clients import welcomed
from tests.support.critical import emit_all
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "session_id": 77, "sector_id": 9}
TICKET = {"type": "TICKET_READY", "tenant_id": 1, "branch_id": 5, "session_id": 77, "sector_id": 9}
ENTITY = {"type": "ENTITY_UPDATED", "tenant_id": 1, "branch_id": 5}
OTHERS = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "session_id": 78, "sector_id": 8}
EVENTS = (READY, TICKET, ENTITY, OTHERS)


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with run_valkey() as server:
        yield server


@pytest.fixture(scope="module")
def node(server: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(server.url, breaker_open=0.2, allowed_origins=("https://app.example",)) as running:
        yield running


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    connection = Redis.from_url(server.url)
    yield connection
    await connection.aclose()


@pytest.fixture
async def http(node: RunningGateway) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=node.http) as client:
        yield client


class Tenant:
    """A tenant of the test's own, so that nobody else's events are in its rooms."""

    last = 100

    def __init__(self) -> None:
        Tenant.last += 1
        self.number = Tenant.last

    def events(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        return [event | {"tenant_id": self.number} for event in events]

    def staff(self, role: str, **claims: Any) -> str:
        return staff_token(role, tenant=self.number, **claims)

    def table(self, **claims: Any) -> str:
        return table_token(tenant=self.number, **claims)


@pytest.fixture
def tenant() -> Tenant:
    return Tenant()


async def relayed(http: httpx.AsyncClient, tenant: Tenant, last: str) -> None:
    """Wait until the relay has come up to an event."""
    query = {"branch_id": "5", "token": tenant.staff("ADMIN")}
    async with asyncio.timeout(20):
        while True:
            position = (await http.get("/ws/catchup", params=query)).json()["position"]
            if position.startswith(f"{last}/"):
                return
            if position != "0-0":
                query["since"] = position
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("role", "sectors", "expected"),
    [
        ("WAITER", (9,), [0, 1]),
        ("WAITER", (8,), [3]),
        ("KITCHEN", (), [0, 1, 3]),
        ("MANAGER", (), [0, 1, 2, 3]),
        ("ADMIN", (), [0, 1, 2, 3]),
    ],
)
async def test_each_role_is_given_what_it_may_see(
    http: httpx.AsyncClient, redis: Redis, role: str, sectors: tuple[int, ...], expected: list[int]
) -> None:
    tenant = Tenant()
    ids = await emit_all(redis, tenant.events(*EVENTS))
    await relayed(http, tenant, ids[-1])
    token = tenant.staff(role, sectors=sectors)
    response = await http.get("/ws/catchup", params={"branch_id": 5}, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert [event["event_id"] for event in body["events"]] == [ids[number] for number in expected]
    assert body["position"].startswith(f"{ids[-1]}/")
    assert body["more"] is False


async def test_a_diner_is_given_its_session_and_what_a_session_may_see(
    http: httpx.AsyncClient, redis: Redis, tenant: Tenant
) -> None:
    ids = await emit_all(redis, tenant.events(*EVENTS))
    await relayed(http, tenant, ids[-1])
    query = {"session_id": "77", "table_token": tenant.table()}
    body = (await http.get("/ws/catchup/session", params=query)).json()
    assert [event["event_id"] for event in body["events"]] == [ids[0]]
    response = await http.get("/ws/catchup/session", params=query | {"session_id": "78"})
    assert response.status_code == 403


async def test_events_are_byte_for_byte_as_on_the_socket_and_the_socket_goes_on_there(
    http: httpx.AsyncClient, node: RunningGateway, redis: Redis, tenant: Tenant
) -> None:
    token = tenant.staff("KITCHEN")
    async with welcomed(node.ws, "/ws/kitchen", token) as peer:
        # Spaces, escapes and an order of its own: nothing is parsed and written anew.
        raw = f' {{ "type" : "ROUND_READY","x":"\\u00e9é", "tenant_id":{tenant.number}, "branch_id":5 }} '
        await redis.xadd("events:critical", {"event": raw})
        [second] = await emit_all(redis, tenant.events(READY))
        texts = [await peer.text(), await peer.text()]
    response = await http.get("/ws/catchup", params={"branch_id": 5, "token": token})
    assert (
        response.text
        == f'{{"events":[{",".join(texts)}],"position":"{json.loads(texts[1])["position"]}","more":false}}'
    )
    since = json.loads(texts[0])["position"]
    body = (await http.get("/ws/catchup", params={"branch_id": 5, "token": token, "since": since})).json()
    assert [event["event_id"] for event in body["events"]] == [second]
    async with welcomed(node.ws, "/ws/kitchen", token, resume=f"5:{body['position']}") as peer:
        assert peer.welcome["resumed"] == {"5": True}


async def test_more_than_an_answer_holds_is_given_in_several(
    http: httpx.AsyncClient, redis: Redis, tenant: Tenant
) -> None:
    ids = await emit_all(redis, [event | {"n": n} for n, event in enumerate(tenant.events(*[READY] * 900))])
    await relayed(http, tenant, ids[-1])
    token, since, got = tenant.staff("KITCHEN"), None, []
    while True:
        query = {"branch_id": "5", "token": token} | ({"since": since} if since else {})
        body = (await http.get("/ws/catchup", params=query)).json()
        got += [event["event_id"] for event in body["events"]]
        since = body["position"]
        if not body["more"]:
            break
        assert len(body["events"]) == 500
    assert got == ids


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/ws/catchup", {"token": "good"}, 400),
        ("/ws/catchup", {"token": "good", "branch_id": "05"}, 400),
        ("/ws/catchup", {"token": "good", "branch_id": "x"}, 400),
        ("/ws/catchup", {"token": "good", "branch_id": "5", "since": "x"}, 400),
        ("/ws/catchup", {"token": "good", "branch_id": "5", "since": ""}, 400),
        ("/ws/catchup", {"branch_id": "5"}, 401),
        ("/ws/catchup", {"branch_id": "5", "token": ""}, 401),
        ("/ws/catchup", {"branch_id": "5", "token": "bad"}, 401),
        ("/ws/catchup", {"branch_id": "6", "token": "good"}, 403),
        ("/ws/catchup", {"branch_id": "5", "token": "good", "since": "99-0/0123abcd"}, 410),
        ("/ws/catchup/session", {"table_token": "good"}, 400),
        ("/ws/catchup/session", {"session_id": "77", "table_token": "good", "since": "1-0"}, 400),
        ("/ws/catchup/session", {"session_id": "77"}, 401),
        ("/ws/catchup/session", {"session_id": "77", "table_token": "bad"}, 401),
        ("/ws/catchup/session", {"session_id": "78", "table_token": "good"}, 403),
        ("/ws/catchup/session", {"session_id": "77", "table_token": "good", "since": "99-0/0123abcd"}, 410),
    ],
)
async def test_what_cannot_be_answered_says_why(
    http: httpx.AsyncClient, tenant: Tenant, path: str, query: dict[str, str], status: int
) -> None:
    good = {"token": tenant.staff("ADMIN"), "table_token": tenant.table()}
    query = {name: good[name] if value == "good" else value for name, value in query.items()}
    response = await http.get(path, params=query)
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["detail"]
    assert ("www-authenticate" in response.headers) is (status == 401)
    for secret in good.values():
        assert secret not in response.text
    metrics = (await http.get("/ws/metrics")).text
    assert f'gateway_catchups_total{{status="{status}"}} 0.0' not in metrics


async def test_a_staff_token_is_none_of_a_table_and_the_other_way_round(
    http: httpx.AsyncClient, tenant: Tenant
) -> None:
    query = {"branch_id": "5", "token": tenant.table()}
    assert (await http.get("/ws/catchup", params=query)).status_code == 401
    query = {"session_id": "77", "table_token": tenant.staff("ADMIN")}
    assert (await http.get("/ws/catchup/session", params=query)).status_code == 401


async def test_a_revoked_token_is_401(http: httpx.AsyncClient, redis: Redis, tenant: Tenant) -> None:
    query = {"branch_id": "5", "token": tenant.staff("ADMIN")}
    assert (await http.get("/ws/catchup", params=query)).status_code == 200
    await redis.set(f"{{tenant:{tenant.number}}}:revoked:user:12", 9_999_999_999, ex=60)
    assert (await http.get("/ws/catchup", params=query)).status_code == 401


async def test_history_that_has_expired_is_gone(http: httpx.AsyncClient, redis: Redis, tenant: Tenant) -> None:
    ids = await emit_all(redis, tenant.events(READY, READY))
    await relayed(http, tenant, ids[-1])
    query = {"branch_id": "5", "token": tenant.staff("KITCHEN")}
    first, last = (await http.get("/ws/catchup", params=query)).json()["events"]
    await redis.delete(history_key(Room(tenant.number, 5)))
    response = await http.get("/ws/catchup", params=query | {"since": first["position"]})
    assert response.status_code == 410
    response = await http.get("/ws/catchup", params=query | {"since": last["position"]})
    assert response.json() == {"events": [], "position": last["position"], "more": False}


async def test_a_page_of_an_allowed_origin_may_read_it(http: httpx.AsyncClient, tenant: Tenant) -> None:
    query = {"branch_id": "5", "token": tenant.staff("ADMIN")}
    response = await http.get("/ws/catchup", params=query, headers={"Origin": "https://app.example"})
    assert response.headers["access-control-allow-origin"] == "https://app.example"
    response = await http.get("/ws/catchup", params=query, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin"


async def test_redis_away_is_503_and_no_longer_when_it_is_back() -> None:
    with run_valkey() as server, run_gateway(server.url, breaker_open=0.2) as node:
        query = {"branch_id": "5", "token": staff_token("ADMIN")}
        async with httpx.AsyncClient(base_url=node.http) as http:
            assert (await http.get("/ws/catchup", params=query)).status_code == 200
            server.kill()
            assert (await http.get("/ws/catchup", params=query)).status_code == 503
            server.start()
            async with asyncio.timeout(20):
                while (await http.get("/ws/catchup", params=query)).status_code != 200:
                    await asyncio.sleep(0.05)
