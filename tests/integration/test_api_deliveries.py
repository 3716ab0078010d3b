"""The delivery report on two nodes, one with native sockets and one with ASGI connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.api import KEYS, Api, eventually
from tests.support.clients import Client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer, run_valkey

EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with run_valkey() as running:
        yield running


@pytest.fixture(scope="module")
def nodes(server: ValkeyServer) -> Iterator[tuple[RunningGateway, RunningGateway]]:
    with run_gateway(server.url, **KEYS) as native, run_gateway(server.url, sockets="asgi", **KEYS) as asgi:
        yield native, asgi


@pytest.fixture
async def api(nodes: tuple[RunningGateway, RunningGateway]) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(timeout=20) as http:
        yield Api(http, nodes[0])


async def emit(api: Api, event: dict[str, Any]) -> str:
    return str((await api.post("/emit", {"event": event}))["results"][0]["event_id"])


def name(peer: Client) -> str:
    return str(peer.welcome["connection_id"])


async def receipt(api: Api, event_id: str, peer: Client) -> dict[str, Any]:
    return dict(await api.get(f"/events/{event_id}/connections/{name(peer)}"))


async def test_what_became_of_an_event_is_told_by_node(nodes: tuple[RunningGateway, RunningGateway], api: Api) -> None:
    one, other = nodes[0].ws, nodes[1].ws
    token = staff_token("KITCHEN", tenant=81, user="cook")
    async with (
        welcomed(one, "/ws/kitchen", token) as first,
        welcomed(one, "/ws/kitchen", token) as second,
        welcomed(other, "/ws/waiter", staff_token(tenant=81)) as third,
        welcomed(other, "/ws/diner", table_token(tenant=81)),
    ):
        event_id = await emit(api, EVENT | {"tenant_id": 81})
        for peer in (first, second, third):
            assert (await peer.json())["event_id"] == event_id

        async def counts() -> dict[str, tuple[int, int, int, dict[str, int]]]:
            report = await api.get(f"/events/{event_id}")
            return {
                found["node"]: (found["matched"], found["sent"], found["queued"], found["dropped"])
                for found in report["nodes"]
            }

        here, there = (name(peer).partition("-")[0] for peer in (first, third))
        await eventually(counts, {here: (2, 2, 0, {}), there: (1, 1, 0, {})})
        report = await api.get(f"/events/{event_id}")
        assert (report["tenant"], report["branch"], report["type"]) == (81, 5, "ROUND_READY")
        assert report["silent"] == []
        assert all(found["at"] > 0 and found["seconds"] >= 0 for found in report["nodes"])


async def test_who_got_it_is_told_and_who_did_not_with_the_reason(
    nodes: tuple[RunningGateway, RunningGateway], api: Api
) -> None:
    async with (
        welcomed(nodes[0].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=82)) as kitchen,
        welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=82)) as waiter,
        welcomed(nodes[1].ws, "/ws/diner", table_token(tenant=82)) as diner,
        welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=82, user="b", branches=(6,))) as elsewhere,
        welcomed(nodes[0].ws, "/ws/kitchen", staff_token("KITCHEN", tenant=83)) as stranger,
    ):
        # A connection's age is known to the second.
        await asyncio.sleep(2.1)
        event_id = await emit(api, EVENT | {"tenant_id": 82})
        assert (await kitchen.json())["event_id"] == (await waiter.json())["event_id"] == event_id

        async def got_it() -> list[Any]:
            return [(await receipt(api, event_id, peer))["got_it"] for peer in (kitchen, waiter)]

        await eventually(got_it, [True, True])
        assert "branch:5:kitchen" in (await receipt(api, event_id, diner))["why"]
        for peer, reason in ((diner, "session:77"), (elsewhere, "branch 5"), (stranger, "tenant 82")):
            found = await receipt(api, event_id, peer)
            assert found["got_it"] is False
            assert reason in found["why"]
        found = await receipt(api, event_id, kitchen)
        assert found["position"].startswith(event_id)


async def test_who_came_later_is_not_said_to_have_it(nodes: tuple[RunningGateway, RunningGateway], api: Api) -> None:
    async with welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=84)) as early:
        event_id = await emit(api, EVENT | {"tenant_id": 84})
        assert (await early.json())["event_id"] == event_id
        async with welcomed(nodes[0].ws, "/ws/waiter", staff_token(tenant=84, user="late")) as late:
            found = await receipt(api, event_id, late)
            assert found["got_it"] is None
            assert "resumed" in found["why"]
    left = await receipt(api, event_id, late)
    assert left["got_it"] is None
    assert "left" in left["why"]


async def test_an_event_that_the_nodes_forgot_is_found_in_history(
    nodes: tuple[RunningGateway, RunningGateway], api: Api, server: ValkeyServer
) -> None:
    # Nobody is in the room, so that no node hears of it.
    event_id = await emit(api, EVENT | {"tenant_id": 85})

    async def kept() -> int:
        return len((await api.get("/history", tenant=85, branch=5))["events"])

    await eventually(kept, 1)
    unknown = await api.ask("GET", f"/events/{event_id}")
    assert unknown.status_code == 404
    assert "`tenant`" in unknown.json()["error"]
    report = await api.get(f"/events/{event_id}", tenant=85, branch=5)
    assert (report["type"], report["nodes"]) == ("ROUND_READY", [])
    assert (await api.ask("GET", "/events/1-1", params={"tenant": 85, "branch": 5})).status_code == 404
    async with welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=85)) as late:
        found = await receipt(api, event_id, late)
        assert found["got_it"] is None
        assert found["position"] == late.welcome["positions"]["5"]
    async with Redis.from_url(server.url) as redis:
        await redis.delete("{tenant:85:branch:5}:history")
    async with welcomed(nodes[1].ws, "/ws/waiter", staff_token(tenant=85)) as later:
        found = await receipt(api, event_id, later)
        assert found["got_it"] is None


async def test_a_node_that_is_gone_takes_its_connections_along(
    nodes: tuple[RunningGateway, RunningGateway], api: Api
) -> None:
    found = await api.get("/events/1-1/connections/feedbeef-7")
    assert found["got_it"] is None
    assert "does not live" in found["why"]


@pytest.mark.parametrize("odd", ["x", "1", "1-1-1", "-", "99999999999999999999999-0", "1-0/5f6a7b8c", "%00"])
async def test_odd_ids_are_refused(odd: str, api: Api) -> None:
    for path in (f"/events/{odd}", f"/events/{odd}/connections/feedbeef-7"):
        assert (await api.ask("GET", path)).status_code in (400, 404), path
    assert (await api.ask("GET", "/events/1-1/connections/x")).status_code == 400
