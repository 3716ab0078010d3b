"""The demo page's routes: whom they serve, what they send on, and what they refuse."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.app import Gateway, create_app
from gateway.auth.table_token import TableTokenVerifier
from gateway.endpoints.demo import assets, restaurant
from gateway.endpoints.demo.act import BEST_EFFORT, CRITICAL
from gateway.errors import EventRefusedError, GatewayError
from gateway.protocol.routing import DEFAULT_RULES
from gateway.settings import DEVELOPMENT_SECRET, Settings
from tests.support.demo_page import HOST, Stage

ROUND = {"id": "r-1", "number": 1, "items": [{"dish": "flan", "quantity": 2}], "total": 1400}
SUBJECTS: dict[str, dict[str, Any]] = {
    "ROUND": {"round": ROUND},
    "SERVICE": {"call": "c-1"},
    "CHECK": {"amount": 1400},
    "CART": {"dish": "flan"},
    "TABLE": {},
}
PRODUCTION = {
    "GATEWAY_ENVIRONMENT": "production",
    "GATEWAY_JWT_SECRET": "a" * 32,
    "GATEWAY_TABLE_TOKEN_SECRET": "b" * 32,
    "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com",
}
Route = tuple[str, str, Any]
ROUTES: list[Route] = [
    ("GET", "/demo", None),
    ("GET", "/demo/style.css", None),
    ("GET", "/demo/api/restaurant", None),
    ("POST", "/demo/api/token", {"who": "ana", "window": "w"}),
    ("POST", "/demo/api/seat", {"table": 2}),
    ("POST", "/demo/api/act", {"action": "clear", "table": 2, "session": 7}),
    ("POST", "/demo/api/flood", {"events": 3}),
]


def act(action: str, **members: Any) -> dict[str, Any]:
    kind = CRITICAL.get(action) or BEST_EFFORT[action]
    return {"action": action, "table": 2, "session": 7, **SUBJECTS[kind.partition("_")[0]], **members}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    # Whether or not the TypeScript client is built: its module is a file like the others.
    monkeypatch.setattr(assets, "CLIENT", "app.js")
    return Stage()


# --- development only, loopback only ---------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
async def test_in_production_an_application_has_none_of_them(route: Route) -> None:
    method, path, body = route
    transport = httpx.ASGITransport(create_app(Settings.load(PRODUCTION)), client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:
        assert (await browser.request(method, path, json=body)).status_code == 404
        # What does not depend on the environment is there.
        assert (await browser.get("/ws/health")).status_code == 200


async def test_in_development_an_application_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "CLIENT", "app.js")
    transport = httpx.ASGITransport(create_app(Settings.load({})), client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:
        assert (await browser.get("/demo")).status_code == 200


def test_a_gateway_in_production_has_no_such_router() -> None:
    with pytest.raises(GatewayError, match="for development"):
        _ = Gateway(Settings.load(PRODUCTION)).demo_router


async def test_the_page_is_no_part_of_the_gateways_own_router() -> None:
    # Whoever mounts the gateway in an application may have a /demo of their own.
    app = FastAPI()
    app.include_router(Gateway(Settings.load({})).router)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as browser:
        assert (await browser.get("/demo")).status_code == 404
        assert (await browser.get("/ws/health")).status_code == 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
async def test_every_route_serves_loopback(route: Route, stage: Stage) -> None:
    assert (await stage.ask(*route)).status_code == 200


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route[1])
@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("192.0.2.1", {}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Host": "rebound.example:8001"}),
        ("127.0.0.1", {"Host": ""}),
        ("127.0.0.1", {"Origin": "https://elsewhere.example"}),
        ("127.0.0.1", {"Origin": "null"}),
        ("127.0.0.1", {"Origin": "http://127.0.0.1:9999"}),
    ],
)
async def test_and_nobody_else(route: Route, peer: str, headers: dict[str, str], stage: Stage) -> None:
    answer = await stage.ask(*route, peer=peer, headers=headers)
    assert answer.status_code == 403
    assert "gateway's own machine" in answer.json()["detail"]
    assert stage.publisher.emitted == stage.publisher.published == []


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "localhost:8001", "[::1]:8001", "localhost"])
async def test_loopback_has_several_names(host: str, stage: Stage) -> None:
    headers = {"Host": host, "Origin": f"http://{host}"}
    assert (await stage.ask("GET", "/demo/api/restaurant", headers=headers)).status_code == 200


# --- the page --------------------------------------------------------------------------------------------------


async def test_the_page_may_load_its_own_files_alone(stage: Stage) -> None:
    answer = await stage.ask("GET", "/demo")
    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert f"connect-src 'self' ws://{HOST} wss://{HOST};" in policy
    assert "unsafe" not in policy
    assert "<style" not in answer.text
    assert " style=" not in answer.text


async def test_a_page_without_its_client_says_how_to_build_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "CLIENT", "not-built.js")
    answer = await stage.ask("GET", "/demo")
    assert answer.status_code == 503
    assert "run `make clients`" in answer.text


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("app.js", "text/javascript"), ("style.css", "text/css"), ("favicon.svg", "image/svg+xml")],
)
async def test_its_files_have_their_types(name: str, media_type: str, stage: Stage) -> None:
    answer = await stage.ask("GET", f"/demo/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2Frouter.py", "..%2f..%2f__init__.py", "router.py"])
async def test_there_are_no_other_files(name: str, stage: Stage) -> None:
    assert (await stage.ask("GET", f"/demo/{name}")).status_code == 404


async def test_the_page_is_told_of_the_restaurant_and_of_the_time(stage: Stage) -> None:
    place = (await stage.ask("GET", "/demo/api/restaurant")).json()
    assert place["now"] == 1_700_000_000_000
    assert [table["number"] for table in place["tables"]] == list(restaurant.TABLES)
    assert set(place["phones"]) <= set(restaurant.TABLES)


# --- tokens ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", restaurant.STAFF)
async def test_staff_get_a_token_of_the_demos_tenant_with_one_role(who: str, stage: Stage) -> None:
    answer = await stage.ask("POST", "/demo/api/token", {"who": who, "window": "w1"})
    claims = jwt.decode(
        answer.json()["token"], DEVELOPMENT_SECRET, ["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    employee = restaurant.STAFF[who]
    assert (claims["tenant_id"], claims["branch_ids"]) == (restaurant.ROOM.tenant, [restaurant.ROOM.branch])
    assert (claims["sub"], claims["roles"]) == (f"{who}-w1", [employee.role])
    assert claims["sector_ids"] == list(employee.sectors)
    assert claims["exp"] - claims["iat"] == 900
    assert answer.headers["cache-control"] == "no-store"


async def test_a_phone_gets_a_token_of_its_party(stage: Stage) -> None:
    answer = await stage.ask("POST", "/demo/api/token", {"table": 6, "session": 77, "window": "w1"})
    verifier = TableTokenVerifier({None: DEVELOPMENT_SECRET}, 86_400, stage.clock)
    identity = verifier.verify(answer.json()["token"])
    assert (identity.tenant, identity.session) == (restaurant.ROOM.tenant, 77)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"who": "somebody", "window": "w"},
        {"who": "ana"},
        {"who": "ana", "window": "W; DROP"},
        {"who": "ana", "window": "w", "tenant": 1},
        {"table": 99, "session": 1, "window": "w"},
        {"table": 2, "session": 0, "window": "w"},
        {"table": 2, "session": 2**53, "window": "w"},
    ],
)
async def test_nobody_else_gets_one(body: dict[str, object], stage: Stage) -> None:
    assert (await stage.ask("POST", "/demo/api/token", body)).status_code == 422


async def test_where_issuers_alone_sign_the_page_is_told_what_to_set() -> None:
    answer = await Stage(staff_keys={}).ask("POST", "/demo/api/token", {"who": "ana", "window": "w"})
    assert answer.status_code == 503
    assert "set GATEWAY_JWT_SECRET as well" in answer.json()["detail"]


# --- events ----------------------------------------------------------------------------------------------------


async def test_a_party_that_sits_down_gets_a_session_that_grows(stage: Stage) -> None:
    first = (await stage.ask("POST", "/demo/api/seat", {"table": 2})).json()["session"]
    stage.clock.advance(0.001)
    second = (await stage.ask("POST", "/demo/api/seat", {"table": 2})).json()["session"]
    assert first < second
    event, key = stage.publisher.emitted[0]
    assert (event["type"], event["session_id"], event["sector_id"], key) == ("TABLE_SESSION_STARTED", first, 1, None)


@pytest.mark.parametrize("action", CRITICAL)
async def test_what_matters_goes_through_the_stream_and_only_once(action: str, stage: Stage) -> None:
    for _ in range(2):
        answer = await stage.ask("POST", "/demo/api/act", act(action))
        assert answer.json()["event_id"] is not None
    (event, key), (_, again) = stage.publisher.emitted
    assert key == again, "the second is known by its key, and adds nothing"
    assert event["type"] == CRITICAL[action]
    assert event["at"] == 1_700_000_000_000
    assert stage.publisher.published == []


async def test_two_rounds_have_two_keys(stage: Stage) -> None:
    for number in (1, 2):
        await stage.ask("POST", "/demo/api/act", act("order", round=ROUND | {"id": f"r-{number}"}))
    assert len({key for _, key in stage.publisher.emitted}) == 2


@pytest.mark.parametrize("action", BEST_EFFORT)
async def test_the_cart_is_published_on_its_sessions_channel(action: str, stage: Stage) -> None:
    answer = await stage.ask("POST", "/demo/api/act", act(action))
    assert answer.json() == {"event_id": None}
    [(channel, event)] = stage.publisher.published
    assert (channel, event["type"]) == ("session:7", BEST_EFFORT[action])
    assert stage.publisher.emitted == []


def test_the_routing_table_knows_every_event_of_the_demo() -> None:
    assert {*CRITICAL.values(), *BEST_EFFORT.values(), "TABLE_SESSION_STARTED", "ENTITY_UPDATED"} <= set(DEFAULT_RULES)


@pytest.mark.parametrize(
    "body",
    [
        act("order", round=None),
        act("call", call=None),
        act("bill", amount=None),
        act("add", dish=None),
        act("clear") | {"action": "anything"},
        act("clear", table=0),
        act("clear", table=99),
        act("clear", session="7"),
        act("clear", tenant_id=1),
        act("order", round=ROUND | {"items": []}),
        act("order", round=ROUND | {"id": "<script>"}),
        act("order", round=ROUND | {"id": "r" * 41}),
        act("order", round=ROUND | {"id": "r\n"}),
    ],
)
async def test_what_makes_no_sense_is_not_sent(body: dict[str, object], stage: Stage) -> None:
    assert (await stage.ask("POST", "/demo/api/act", body)).status_code == 422
    assert stage.publisher.emitted == stage.publisher.published == []


async def test_a_flood_goes_to_the_managers_alone_and_is_numbered(stage: Stage) -> None:
    answer = await stage.ask("POST", "/demo/api/flood", {"events": 5})
    assert answer.json() == {"published": 5}
    assert {channel for channel, _ in stage.publisher.published} == {"branch:1:admin"}
    assert [event["flood"] for _, event in stage.publisher.published] == [1, 2, 3, 4, 5]
    assert stage.publisher.emitted == []


@pytest.mark.parametrize("events", [0, -1, 10_001, "5", 1.5])
async def test_a_flood_has_bounds(events: object, stage: Stage) -> None:
    assert (await stage.ask("POST", "/demo/api/flood", {"events": events})).status_code == 422


@pytest.mark.parametrize("route", ROUTES[4:], ids=lambda route: route[1])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (RedisConnectionError("refused"), 503),
        (EventRefusedError("unknown_type", "no such event"), 422),
    ],
)
async def test_what_cannot_be_sent_is_said(route: Route, failure: Exception, status: int, stage: Stage) -> None:
    stage.publisher.fails = failure
    answer = await stage.ask(*route)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert (await stage.ask(*route)).status_code == 200, "and the next time it goes"
