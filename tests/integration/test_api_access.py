"""Who may use the operator API, and what nobody gets by asking oddly."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from gateway.endpoints.api.body import MAX_BODY_BYTES
from tests.support.api import KEYS, OPERATE, OPERATOR, PUBLISH, READ, Api
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

BY_SCOPE = {"read": READ, "publish": PUBLISH, "operate": OPERATE}


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with run_valkey() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(server: ValkeyServer) -> Iterator[RunningGateway]:
    # Long, since one of the routes drains: nobody is here whom that would send away.
    with run_gateway(server.url, **KEYS) as running:
        yield running


@pytest.fixture(scope="module")
def open_gateway(server: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(server.url) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as opened:
        yield opened


@pytest.fixture
def api(gateway: RunningGateway, http: httpx.AsyncClient) -> Api:
    return Api(http, gateway)


async def routes(gateway: RunningGateway, http: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    """Method, path and scope of every route, as OpenAPI says."""
    document = (await http.get(f"{gateway.http}/openapi.json")).json()
    return [
        (method.upper(), path.removeprefix("/api/v1"), operation["security"][0]["HTTPBearer"][0])
        for path, operations in document["paths"].items()
        if path.startswith("/api/")
        for method, operation in operations.items()
    ]


async def test_every_route_takes_the_keys_of_its_scope_and_no_other(
    gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    found = await routes(gateway, http)
    assert {scope for _, _, scope in found} == set(BY_SCOPE)
    for method, template, scope in found:
        path = template.format(name="nobody", id="1-1", event_id="1-1")
        for other, key in BY_SCOPE.items():
            if other == scope:
                continue
            # With a body that would be refused: the key is looked at before.
            response = await Api(http, gateway, key).ask(method, path, content=b"{")
            assert response.status_code == 403, (method, path, other)
            assert scope in response.json()["error"]
        if path == "/drain":
            continue  # would do what it says
        for key in (BY_SCOPE[scope], OPERATOR):
            response = await Api(http, gateway, key).ask(method, path, content=b"{")
            assert response.status_code not in (401, 403), (method, path)


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Basic {READ}",
        READ,
        f"Bearer {READ}x",
        f"Bearer {READ[:-1]}",
        "Bearer ñ",
    ],
)
async def test_without_a_valid_key_nothing_is_said(
    authorization: str | None, gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    for method, path, _ in await routes(gateway, http):
        response = await http.request(method, f"{gateway.http}/api/v1{path}", headers=headers, content=b"{")
        assert response.status_code == 401, (method, path)
        assert response.headers["www-authenticate"] == "Bearer"
        assert set(response.json()) == {"error"}


async def test_a_key_in_the_query_is_no_key(gateway: RunningGateway, http: httpx.AsyncClient) -> None:
    response = await http.get(f"{gateway.http}/api/v1/status", params={"key": OPERATOR, "token": OPERATOR})
    assert response.status_code == 401


async def test_without_any_key_it_is_open_on_loopback_in_development_alone(
    open_gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    api = Api(http, open_gateway, None)
    assert (await api.ask("GET", "/status")).status_code == 200
    response = await api.ask("GET", "/status", headers={"X-Forwarded-For": "127.0.0.1"})
    assert response.status_code == 403
    assert "GATEWAY_API_READ_KEYS" in response.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "localhost:5", "Origin": "http://localhost:5"}, 200),
        ({"Host": "[::1]:5"}, 200),
    ],
)
async def test_a_page_of_somebody_elses_cannot_use_what_is_open(
    headers: dict[str, str], status: int, open_gateway: RunningGateway, http: httpx.AsyncClient
) -> None:
    api = Api(http, open_gateway, None)
    body = {"channel": "branch:5:kitchen", "event": {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}}
    assert (await api.ask("POST", "/publish", json=body, headers=headers)).status_code == status


async def test_one_key_of_any_scope_closes_what_was_open(server: ValkeyServer, http: httpx.AsyncClient) -> None:
    with run_gateway(server.url, api_read_keys=KEYS["api_read_keys"]) as keyed:
        assert (await Api(http, keyed, None).ask("POST", "/drain")).status_code == 401
        assert (await Api(http, keyed, READ).ask("POST", "/drain")).status_code == 403
        assert (await Api(http, keyed, READ).ask("GET", "/status")).status_code == 200


async def test_one_key_may_stand_for_several_scopes(server: ValkeyServer, http: httpx.AsyncClient) -> None:
    both = {"api_read_keys": f"a:{READ}", "api_publish_keys": f"b:{READ}"}
    with run_gateway(server.url, **both) as keyed:
        api = Api(http, keyed, READ)
        assert (await api.ask("GET", "/status")).status_code == 200
        assert (await api.ask("POST", "/publish", content=b"{")).status_code == 400
        assert (await api.ask("POST", "/revoke", content=b"{")).status_code == 403


# --- odd values --------------------------------------------------------------------------------------------------

ODD = ["0", "-1", "1.5", "1e3", "9007199254740992", "9" * 400, "true", "null", "", "5;DROP", "../5", "５", "\x00"]


@pytest.mark.parametrize("value", ODD)
async def test_an_odd_tenant_is_nobodys(value: str, api: Api) -> None:
    for path in ("/connections", "/rooms", "/presence?branch=5", "/history?branch=5"):
        response = await api.ask("GET", f"{path}{'&' if '?' in path else '?'}tenant=", params=None)
        assert response.status_code == 400
        bare, _, query = path.partition("?")
        params = dict(pair.split("=") for pair in query.split("&") if pair) | {"tenant": value}
        response = await api.ask("GET", bare, params=params)
        assert response.status_code == 400, (path, response.text)
        assert set(response.json()) == {"error"}
        if len(value) > 20:
            assert value not in response.text


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "1001"}, {"cursor": "x"}, {"cursor": "a" * 200}, {"nodes": "some"}]
)
async def test_odd_pages_are_refused(query: dict[str, str], api: Api) -> None:
    for path in ("/connections", "/rooms"):
        response = await api.ask("GET", path, params=query)
        assert response.status_code == 400, (path, response.text)


async def test_a_tenants_connections_are_in_no_other_tenants_answers(gateway: RunningGateway, api: Api) -> None:
    async with welcomed(gateway.ws, "/ws/waiter", staff_token(tenant=71, user="secretive", branches=(5,))) as peer:
        for path in (
            "/connections?tenant=72&nodes=all",
            "/connections?tenant=72&user=secretive&nodes=all",
            "/connections?tenant=72&branch=5&nodes=all",
            "/rooms?tenant=72&nodes=all",
            "/presence?tenant=72&branch=5",
        ):
            text = (await api.ask("GET", path)).text
            assert peer.welcome["connection_id"] not in text
            assert "secretive" not in text
        await api.post("/revoke", {"tenant": 72, "user": "secretive"})
        await peer.send("ping")
        assert (await peer.json())["type"] == "pong"


async def test_a_huge_body_is_refused_before_it_is_read(api: Api) -> None:
    response = await api.ask("POST", "/publish", content=b" " * (MAX_BODY_BYTES + 1))
    assert response.status_code == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 2):
            yield b" " * 65_536

    assert (await api.ask("POST", "/emit", content=endless())).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"event":' * 10_000,
        b'{"event":{"type":"ROUND_READY","tenant_id":1,"branch_id":' + b"9" * 5_000 + b"}}",
        json.dumps({"event": {"type": "ROUND_READY", "tenant_id": "1", "branch_id": 5}}).encode(),
    ],
)
async def test_odd_bodies_are_no_fault(body: bytes, api: Api) -> None:
    for path in ("/publish", "/emit", "/revoke"):
        response = await api.ask("POST", path, content=body)
        assert response.status_code in (200, 400), response.text
        if response.status_code == 200:
            assert "refused" in response.json()["results"][0]


async def test_no_key_and_no_payload_is_in_the_log(
    gateway: RunningGateway,
    http: httpx.AsyncClient,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    api = Api(http, gateway, OPERATE)
    await api.post("/revoke", {"tenant": 73, "user": "12"})
    said = caplog.text + "".join(capsys.readouterr())
    for secret in (READ, PUBLISH, OPERATE, OPERATOR):
        assert secret not in said


async def test_answers_are_not_cached(api: Api) -> None:
    for path in ("/status", "/rooms?limit=0"):
        assert (await api.ask("GET", path)).headers["cache-control"] == "no-store"


async def test_an_unknown_route_and_method_are_no_fault(api: Api) -> None:
    statuses: dict[str, Any] = {}
    for method, path in (("GET", "/nothing"), ("PUT", "/status"), ("GET", "/publish"), ("POST", "/connections")):
        statuses[f"{method} {path}"] = (await api.ask(method, path)).status_code
    assert set(statuses.values()) <= {404, 405}
