"""Dead letters by the operator API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from redis.asyncio import Redis

from tests.support.api import KEYS, Api, eventually
from tests.support.clients import welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
GONE = "1-1"


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with run_valkey() as running:
        yield running


@pytest.fixture
def gateway(server: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(server.url, **KEYS) as running:
        yield running


@pytest.fixture
async def redis(server: ValkeyServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(server.url) as opened:
        yield opened


@pytest.fixture
async def api(gateway: RunningGateway) -> AsyncIterator[Api]:
    async with httpx.AsyncClient(timeout=20) as http:
        yield Api(http, gateway)


async def bury(redis: Redis, event: object, reason: str = "failed") -> str:
    """A letter as a relay writes it."""
    fields = {"id": "5-5", "event": json.dumps(event), "reason": reason, "error": "it failed", "tries": 3}
    return str((await redis.xadd("events:dlq", {**fields, "node": "n", "time": "17.5"})).decode())


async def test_what_the_relay_cannot_deliver_is_listed_shown_and_thrown_away(api: Api, redis: Redis) -> None:
    await redis.xadd("events:critical", {"event": b'{"type":"\xff'})

    async def length() -> int:
        return int((await api.get("/status"))["dlq_length"])

    await eventually(length, 1)
    entry = (await api.get("/dlq"))["entries"][0]
    assert (entry["reason"], entry["tries"], entry["event"]) == ("bad_json", 1, '{"type":"\\xff')
    assert await api.get(f"/dlq/{entry['id']}") == entry
    refused = await api.ask("POST", f"/dlq/{entry['id']}/replay")
    assert refused.status_code == 400, "it would be refused again"
    assert (await api.ask("DELETE", f"/dlq/{entry['id']}")).json() == {"discarded": True}
    assert (await api.ask("DELETE", f"/dlq/{entry['id']}")).status_code == 404
    assert (await api.get("/dlq"))["entries"] == []


async def test_a_letter_is_replayed_once_and_reaches_its_audience(
    api: Api, redis: Redis, gateway: RunningGateway
) -> None:
    letter = await bury(redis, EVENT)
    async with welcomed(gateway.ws, "/ws/waiter", staff_token()) as peer:
        replayed = await api.post(f"/dlq/{letter}/replay", None)
        assert await api.post(f"/dlq/{letter}/replay", None) == replayed
        assert (await peer.json())["event_id"] == replayed["event_id"]
    assert await redis.xlen("events:dlq") == 0
    assert await redis.xlen("events:critical") == 1


async def test_several_are_replayed_with_a_result_for_each(api: Api, redis: Redis) -> None:
    good = [await bury(redis, EVENT | {"number": number}) for number in range(3)]
    bad = await bury(redis, {"type": "NO_SUCH", "tenant_id": 1, "branch_id": 5}, "unknown_type")
    some = await api.post("/dlq/replay", {"ids": [good[2], GONE]})
    assert [result["id"] for result in some["results"]] == [good[2], GONE]
    assert some["results"][0]["event_id"]
    assert "no letter" in some["results"][1]["error"]
    rest = await api.post("/dlq/replay", {"all": True})
    assert [result["id"] for result in rest["results"]] == [good[0], good[1], bad]
    assert [("event_id" in result, "error" in result) for result in rest["results"]] == [
        (True, False),
        (True, False),
        (False, True),
    ]
    assert rest["more"] is False
    assert [entry["id"] for entry in (await api.get("/dlq"))["entries"]] == [bad]


async def test_the_queue_is_read_in_pages_newest_first(api: Api, redis: Redis) -> None:
    letters = [await bury(redis, EVENT) for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await api.get("/dlq", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [entry["id"] for entry in page["entries"]]
        if (cursor := page["cursor"]) is None:
            break
    assert seen == letters[::-1]


@pytest.mark.parametrize("body", [{}, {"ids": []}, {"ids": ["x"]}, {"ids": [GONE], "all": True}, {"ids": [GONE] * 201}])
async def test_a_replay_of_nothing_in_particular_is_refused(body: object, api: Api) -> None:
    assert (await api.ask("POST", "/dlq/replay", json=body)).status_code == 400


async def test_odd_ids_are_refused(api: Api) -> None:
    for odd in ("x", "1", "1-", "-1", "1-1-1", "9" * 40, "%2e%2e"):
        for method, path in (("GET", f"/dlq/{odd}"), ("DELETE", f"/dlq/{odd}"), ("POST", f"/dlq/{odd}/replay")):
            assert (await api.ask(method, path)).status_code == 400, path
    assert (await api.ask("GET", "/dlq", params={"cursor": "x"})).status_code == 400
    assert (await api.ask("GET", f"/dlq/{GONE}")).status_code == 404
    assert (await api.ask("POST", f"/dlq/{GONE}/replay")).status_code == 404
