"""The operator API on two nodes that share a Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.api import KEYS, Api, eventually
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """Its own: nodes of other files would be in the lists."""
    with run_valkey() as running:
        yield running


@pytest.fixture(scope="module")
def nodes(server: ValkeyServer) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    with run_gateway(server.url, **KEYS) as first, run_gateway(server.url, sockets="asgi", **KEYS) as second:
        yield first, second


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as opened:
        yield opened


@pytest.fixture
def first(nodes: tuple[RunningGateway, RunningGateway], http: httpx.AsyncClient) -> Api:
    return Api(http, nodes[0])


@pytest.fixture
def second(nodes: tuple[RunningGateway, RunningGateway], http: httpx.AsyncClient) -> Api:
    return Api(http, nodes[1])


# --- status -----------------------------------------------------------------------------------------------------


async def test_a_node_says_how_it_does(nodes: tuple[RunningGateway, RunningGateway], first: Api) -> None:
    async with welcomed(nodes[0].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=21, user="cook")) as peer:
        status = await first.get("/status")
        assert status["node"] == peer.welcome["connection_id"].partition("-")[0]
    assert status["ready"] is True
    assert status["reasons"] == []
    assert status["connections"]["kitchen"] == status["connections"]["total"] == 1
    assert status["fanout"] == "native"
    assert status["environment"] == "development"
    assert status["breakers"]["commands"] == "closed"
    assert status["draining"] is False
    assert status["uptime_seconds"] > 0


async def test_every_node_is_asked(first: Api, second: Api) -> None:
    names = {(await api.get("/status"))["node"] for api in (first, second)}
    for api in (first, second):
        found = await api.get("/nodes")
        assert {status["node"] for status in found["nodes"]} == names
        assert found["silent"] == []


async def test_events_and_deliveries_are_counted(nodes: tuple[RunningGateway, RunningGateway], first: Api) -> None:
    before = await first.get("/status")
    event = EVENT | {"tenant_id": 22}
    async with welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=22)) as peer:
        await first.post("/publish", {"channel": "branch:5:waiters", "event": event})
        assert await peer.json() == event
        await first.post("/emit", {"event": event})
        assert (await peer.json())["type"] == "ROUND_READY"
        after = await first.get("/status")
    assert after["events"]["pubsub"] == before["events"]["pubsub"] + 1
    assert after["events"]["stream"] == before["events"]["stream"] + 1
    assert after["deliveries_total"] == before["deliveries_total"] + 2


# --- connections, rooms, presence -------------------------------------------------------------------------------


async def test_connections_are_listed_with_who_they_are(
    nodes: tuple[RunningGateway, RunningGateway], first: Api
) -> None:
    token = staff_token(tenant=31, user="ann", branches=(5, 6), sectors=(9,))
    async with welcomed(nodes[0].ws, "/ws/waiter", token) as peer:
        found = (await first.get("/connections", tenant=31))["connections"]
    assert len(found) == 1
    view = found[0]
    assert view["connection"] == peer.welcome["connection_id"]
    assert (view["tenant"], view["subject"], view["endpoint"]) == (31, "user:ann", "waiter")
    assert view["branches"] == [5, 6]
    assert view["audiences"] == ["branch:5:waiters", "branch:6:waiters", "sector:9:waiters"]
    assert view["positions"] == peer.welcome["positions"]
    assert view["since"] <= view["expires_at"]
    assert token not in json.dumps(view)


async def test_connections_are_filtered(nodes: tuple[RunningGateway, RunningGateway], first: Api) -> None:
    one, other = nodes[0].ws, nodes[1].ws
    async with (
        welcomed(one, "/ws/waiter", staff_token(tenant=32, user="ann", branches=(5,))) as ann,
        welcomed(one, "/ws/kitchen", staff_token("KITCHEN", tenant=32, user="bob", branches=(6,))) as bob,
        welcomed(one, "/ws/diner", table_token(tenant=32, session=77)) as table,
        welcomed(other, "/ws/waiter", staff_token(tenant=32, user="ann")) as elsewhere,
        welcomed(one, "/ws/waiter", staff_token(tenant=33, user="ann")) as stranger,
    ):
        names = {peer.welcome["connection_id"]: peer for peer in (ann, bob, table, elsewhere, stranger)}

        async def peers(**query: Any) -> set[Any]:
            return {names[view["connection"]] for view in (await first.get("/connections", **query))["connections"]}

        assert await peers(tenant=32) == {ann, bob, table}
        assert await peers(tenant=32, nodes="all") == {ann, bob, table, elsewhere}
        assert await peers(tenant=32, branch=5) == {ann, table}
        assert await peers(tenant=32, user="ann", nodes="all") == {ann, elsewhere}
        assert await peers(tenant=32, session=77) == {table}
        assert await peers(tenant=32, endpoint="kitchen") == {bob}
        assert await peers(tenant=32, user="ann", endpoint="kitchen") == set()
        assert await peers(tenant=34, user="ann") == set()
        refused = await first.ask("GET", "/connections", params={"branch": 5})
        assert refused.status_code == 400
        assert "`tenant`" in refused.json()["error"]


async def test_pages_go_through_all_nodes_and_show_everybody_once(
    nodes: tuple[RunningGateway, RunningGateway], first: Api, second: Api
) -> None:
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(30):
        leave = asyncio.Event()
        arrived: list[str] = []

        async def come(number: int) -> None:
            token = staff_token(tenant=35, user=f"u{number}")
            async with welcomed(nodes[number % 2].ws, "/ws/waiter", token) as peer:
                arrived.append(peer.welcome["connection_id"])
                await leave.wait()

        for number in range(7):
            tasks.create_task(come(number))
        while len(arrived) < 7:
            await asyncio.sleep(0.01)
        for api in (first, second):
            seen: list[str] = []
            query: dict[str, Any] = {"tenant": 35, "limit": 2, "nodes": "all"}
            while True:
                page = await api.get("/connections", **query)
                assert len(page["connections"]) <= 2
                seen += [view["connection"] for view in page["connections"]]
                if page["cursor"] is None:
                    break
                query["cursor"] = page["cursor"]
            assert sorted(seen) == sorted(arrived)
        leave.set()


async def test_rooms_are_counted_over_nodes(nodes: tuple[RunningGateway, RunningGateway], first: Api) -> None:
    async with (
        welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=36, branches=(5, 6))),
        welcomed(nodes[1].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=36, user="b", branches=(5,))),
    ):
        here = (await first.get("/rooms", tenant=36))["rooms"]
        assert [(room["branch"], room["connections"]) for room in here] == [(5, 1), (6, 1)]
        page = await first.get("/rooms", tenant=36, nodes="all", limit=1)
        assert page["rooms"] == [
            {
                "tenant": 36,
                "branch": 5,
                "connections": 2,
                "audiences": {"branch:5:kitchen": 1, "branch:5:waiters": 1},
                "position": "0-0",
            }
        ]
        rest = await first.get("/rooms", tenant=36, nodes="all", limit=1, cursor=page["cursor"])
        assert [room["branch"] for room in rest["rooms"]] == [6]
        assert rest["cursor"] is None


async def test_presence_says_who_is_in_a_branch_wherever_they_are(
    nodes: tuple[RunningGateway, RunningGateway], first: Api
) -> None:
    one, other = nodes[0].ws, nodes[1].ws
    async with (
        welcomed(one, "/ws/waiter", staff_token("MANAGER", tenant=37, user="ann")),
        welcomed(other, "/ws/admin", staff_token("MANAGER", tenant=37, user="ann")),
        welcomed(other, "/ws/diner", table_token(tenant=37, session=77)),
        welcomed(one, "/ws/waiter", staff_token(tenant=37, user="elsewhere", branches=(6,))),
        welcomed(one, "/ws/waiter", staff_token(tenant=38, user="stranger")),
    ):
        found = await first.get("/presence", tenant=37, branch=5)
        names = sorted(status["node"] for status in (await first.get("/nodes"))["nodes"])
        at_second = (await first.get("/connections", tenant=37, session=77, nodes="all"))["connections"][0]["node"]
        assert found == {
            "users": [{"subject": "user:ann", "endpoints": {"waiter": 1, "admin": 1}, "nodes": names}],
            "sessions": [{"session": 77, "connections": 1, "nodes": [at_second]}],
            "more": False,
            "silent": [],
        }


# --- disconnect, revoke -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1])
async def test_somebody_is_disconnected_on_whatever_node(
    at: int, nodes: tuple[RunningGateway, RunningGateway], first: Api
) -> None:
    async with welcomed(nodes[at].ws, "/ws/waiter", staff_token(tenant=41)) as peer:
        name = peer.welcome["connection_id"]
        response = await first.ask("DELETE", f"/connections/{name}", params={"code": 4003})
        assert (response.status_code, response.json()) == (200, {"closed": True})
        assert await peer.close_code() == 4003
    gone = await first.ask("DELETE", f"/connections/{name}")
    assert gone.status_code == 404


async def test_nobody_is_disconnected_by_a_name_that_is_none(first: Api) -> None:
    for name, status in {"feedbeef-1": 404, "x": 400, "-1": 400, "a-b": 400, "a-1e3": 400, "a-²": 400}.items():
        response = await first.ask("DELETE", f"/connections/{name}")
        assert response.status_code == status, name
    assert (await first.ask("DELETE", "/connections/feedbeef-1", params={"code": 1005})).status_code == 400


async def test_a_user_is_revoked_on_every_node(nodes: tuple[RunningGateway, RunningGateway], first: Api) -> None:
    async with (
        welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=42, user="ann")) as one,
        welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=42, user="ann")) as two,
    ):
        assert (await first.post("/revoke", {"tenant": 42, "user": "ann"}))["nodes"] == 2
        assert await one.close_code() == await two.close_code() == 4001


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "ann"},
        {"tenant": 42, "user": "ann", "session": 1},
        {"tenant": 42, "jti": "x"},
        {"tenant": 42, "usr": "ann"},
        {"tenant": 0},
        {"tenant": True},
        {"tenant": 42, "user": "ann\n"},
        [],
    ],
)
async def test_a_revocation_that_is_not_meant_so_is_refused(body: Any, first: Api, server: ValkeyServer) -> None:
    response = await first.ask("POST", "/revoke", json=body)
    assert response.status_code == 400, response.text
    async with Redis.from_url(server.url) as redis:
        assert not await redis.exists("{tenant:42}:revoked:all")


# --- publish, emit, history -------------------------------------------------------------------------------------


async def test_an_event_goes_to_a_channels_audience_byte_for_byte(
    nodes: tuple[RunningGateway, RunningGateway], first: Api
) -> None:
    written = '{"type":"ROUND_READY", "tenant_id":51,"branch_id":5, "note":"caf\\u00e9  \\/", "n": 1.0}'
    async with (
        welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=51)) as waiter,
        welcomed(nodes[1].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=51)) as kitchen,
    ):
        body = f'{{"channel":"branch:5:waiters","event":{written}}}'
        response = await first.ask("POST", "/publish", content=body)
        assert response.json() == {"results": [{"nodes": 1}]}
        assert await waiter.text() == written
        await first.post("/publish", {"channel": "branch:5:kitchen", "event": EVENT | {"tenant_id": 51, "fence": 1}})
        assert await kitchen.until(1) == []


async def test_an_event_without_a_channel_reaches_everybody_entitled_once(
    nodes: tuple[RunningGateway, RunningGateway], first: Api
) -> None:
    event = EVENT | {"tenant_id": 52, "session_id": 77}
    async with (
        # In two audiences of the event.
        welcomed(nodes[0].ws, "/ws/waiter", staff_token("MANAGER", tenant=52)) as manager,
        welcomed(nodes[1].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=52)) as kitchen,
        welcomed(nodes[1].ws, "/ws/diner", table_token(tenant=52, session=77)) as diner,
    ):
        results = await first.post("/publish", {"events": [{"event": event}, {"event": event | {"fence": 1}}]})
        assert results == {"results": [{"nodes": 2}, {"nodes": 2}]}
        for peer in (manager, kitchen, diner):
            assert [json.loads(text) for text in await peer.until(1)] == [event]


async def test_what_would_be_dropped_is_refused_by_reason(first: Api) -> None:
    items = [
        {"event": {"type": "NO_SUCH", "tenant_id": 1, "branch_id": 5}},
        {"event": EVENT | {"branch_id": 0}},
        {"event": EVENT | {"event_id": "1-1"}},
        {"channel": "branch:6:kitchen", "event": EVENT},
        {"channel": "somewhere", "event": EVENT},
        {"channel": "session:77", "event": EVENT | {"type": "ROUND_PENDING", "session_id": 77}},
        {"event": EVENT | {"note": "x" * 70_000}},
        {"channel": "branch:5:kitchen", "event": EVENT},
    ]
    results = (await first.post("/publish", {"events": items}))["results"]
    assert [result.get("refused") for result in results] == [
        "unknown_type",
        "bad_shape",
        "reserved_member",
        "channel_mismatch",
        "channel_mismatch",
        "not_for_audience",
        "too_big",
        None,
    ]
    assert results[-1] == {"nodes": 0}
    assert all(result["error"] for result in results[:-1])
    emitted = (await first.post("/emit", {"events": [{"event": item["event"]} for item in items[:3]]}))["results"]
    assert [result["refused"] for result in emitted] == ["unknown_type", "bad_shape", "reserved_member"]


async def test_a_critical_event_is_emitted_once_for_one_key(
    nodes: tuple[RunningGateway, RunningGateway], first: Api, second: Api
) -> None:
    event = EVENT | {"tenant_id": 53}
    async with welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=53)) as peer:
        by_header = await first.post("/emit", {"event": event}, headers={"Idempotency-Key": "api-53"})
        by_member = await second.post("/emit", {"event": event, "key": "api-53"})
        in_batch = await second.post("/emit", {"events": [{"event": event, "key": "api-53"}, {"event": event}]})
        assert by_header == by_member
        first_id = by_header["results"][0]["event_id"]
        assert in_batch["results"][0] == {"event_id": first_id}
        assert [(await peer.json())["event_id"] for _ in range(2)] == [
            first_id,
            in_batch["results"][1]["event_id"],
        ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"event": EVENT, "events": [{"event": EVENT}]},
        {"events": []},
        {"events": [{"event": EVENT}] * 1001},
        {"events": [{"event": EVENT, "topic": "x"}]},
        {"channel": 5, "event": EVENT},
        "x",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/publish", "/emit"])
async def test_a_body_of_neither_form_is_refused_and_nothing_sent(path: str, body: Any, first: Api) -> None:
    response = await first.ask("POST", path, json=body)
    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}


async def test_two_keys_for_one_event_are_refused(first: Api) -> None:
    for body, header in (({"event": EVENT, "key": "a"}, "b"), ({"events": [{"event": EVENT}]}, "b")):
        response = await first.ask("POST", "/emit", json=body, headers={"Idempotency-Key": header})
        assert response.status_code == 400


async def test_history_is_read_in_pages(first: Api, nodes: tuple[RunningGateway, RunningGateway]) -> None:
    events = [EVENT | {"tenant_id": 54, "number": number} for number in range(5)]
    results = (await first.post("/emit", {"events": [{"event": event} for event in events]}))["results"]
    ids = [result["event_id"] for result in results]

    async def kept() -> int:
        return len((await first.get("/history", tenant=54, branch=5))["events"])

    await eventually(kept, 5)
    page = await first.get("/history", tenant=54, branch=5, limit=2)
    assert [found["event_id"] for found in page["events"]] == ids[:2]
    assert page["more"] is True
    assert page["events"][0]["event"] == events[0]
    assert page["events"][0]["audiences"] == ["branch:5:admin", "branch:5:kitchen", "branch:5:waiters"]
    rest = await first.get("/history", tenant=54, branch=5, since=page["position"])
    assert [found["event_id"] for found in rest["events"]] == ids[2:]
    assert rest["more"] is False
    assert rest["position"] == rest["events"][-1]["position"]
    gone = await first.ask("GET", "/history", params={"tenant": 54, "branch": 5, "since": "1-1/00000000"})
    assert gone.status_code == 410
    bad = await first.ask("GET", "/history", params={"tenant": 54, "branch": 5, "since": "yesterday"})
    assert bad.status_code == 400
    assert (await first.get("/history", tenant=55, branch=5))["events"] == []


# --- limits -----------------------------------------------------------------------------------------------------


async def test_too_many_events_are_refused_with_the_time_to_wait(server: ValkeyServer, http: httpx.AsyncClient) -> None:
    with run_gateway(server.url, api_event_rate_per_tenant=1, **KEYS) as gateway:
        api = Api(http, gateway)
        batch = {"events": [{"channel": "branch:5:kitchen", "event": EVENT | {"tenant_id": 61}}] * 1000}
        await api.post("/publish", batch)
        refused = await api.ask("POST", "/publish", json=batch)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 900
        other = {"channel": "branch:5:kitchen", "event": EVENT | {"tenant_id": 62}}
        assert (await api.ask("POST", "/publish", json=other)).status_code == 200


async def test_a_full_redis_is_429(http: httpx.AsyncClient) -> None:
    with run_valkey() as full, run_gateway(full.url, **KEYS) as gateway:
        async with Redis.from_url(full.url) as redis:
            await redis.config_set("maxmemory", "1")
            response = await Api(http, gateway).ask("POST", "/emit", json={"event": EVENT})
            assert response.status_code == 429, response.text
            assert int(response.headers["Retry-After"]) >= 1
            await redis.config_set("maxmemory", "0")


async def test_a_drain_is_begun_and_the_node_says_so(server: ValkeyServer, http: httpx.AsyncClient) -> None:
    with run_gateway(server.url, drain_seconds=10, **KEYS) as gateway:
        api = Api(http, gateway)
        async with welcomed(gateway.ws, "/ws/waiter", staff_token(tenant=63)) as peer:
            response = await api.ask("POST", "/drain")
            assert response.status_code == 202
            assert response.json()["connections"] == 1
            assert (await peer.json())["type"] == "reconnect"
            status = await api.get("/status")
            assert (status["draining"], status["ready"]) == (True, False)
