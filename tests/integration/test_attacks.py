"""Attempts to get in, or to get an event to somebody who may not see it, on both kinds of socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.errors import EventRefusedError
from gateway.protocol.events import parse_event
from gateway.protocol.keys import DLQ, SOURCE
from gateway.protocol.routing import RoutingTable
from gateway.settings import DEVELOPMENT_SECRET
from tests.integration.conftest import Producer
from tests.support.clients import Client, welcomed
from tests.support.forge import jwt_of
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.identity_provider import claims
from tests.support.raw_websocket import RawWebSocket, request
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer

# --- handshakes ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def raw(gateway: RunningGateway, path: str, *headers: str) -> AsyncIterator[RawWebSocket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        peer = RawWebSocket(reader, writer)
        await peer.write(request(path, *headers))
        yield peer
    finally:
        writer.close()


async def outcome(gateway: RunningGateway, path: str, *headers: str) -> str | int:
    """`welcome`, the close code, or the status of a refusal before the upgrade."""
    async with raw(gateway, path, *headers) as peer:
        status, _ = await peer.head()
        if status != 101:
            return status
        frame = await peer.frame()
        if frame.opcode == 8:
            return int.from_bytes(bytes(frame.data)[:2], "big")
        return str(json.loads(bytes(frame.data))["type"])


GOOD, BAD = staff_token(tenant=90), staff_token(tenant=90, secret="x" * 40)


@pytest.mark.parametrize(
    ("query", "offered", "expected"),
    [
        ("", [f"bearer, {GOOD}"], "welcome"),
        ("", [f"bearer,{GOOD}"], "welcome"),
        ("", [f"json, bearer, {GOOD}, other"], "welcome"),
        ("", ["bearer", GOOD], "welcome"),
        ("", [f"bearer, {BAD}, bearer, {GOOD}"], 4001),
        ("", [f"bearer, {GOOD}, bearer, {BAD}"], "welcome"),
        (f"?token={GOOD}", [f"bearer, {BAD}"], 4001),
        (f"?token={GOOD}", ["bearer, bearer, bearer"], 4001),
        ("", ["bearer"], 401),
        ("", ["bearer,"], 401),
        ("", [",,bearer,,,"], 401),
        ("", [""], 400),
        ("", [f"Bearer, {GOOD}"], 401),
        ("", [f"{GOOD}, bearer"], 401),
        ("", [f"bearer {GOOD}"], 400),
        ("", [f"bearer, {'a' * 8000}"], 4001),
        (f"?token={BAD}&token={GOOD}", [], "welcome"),
        (f"?token={GOOD}&token={BAD}", [], 4001),
        (f"?Token={GOOD}", [], 401),
        ("?token=", [], 401),
        (f"?token={GOOD}%00", [], 4001),
        (f"?token=%20{GOOD}", [], 4001),
        ("?token=%ff%fe", [], 4001),
        (f"?table_token={GOOD}", [], 401),
        (f"#token={GOOD}", [], 403),
    ],
)
async def test_one_token_counts_wherever_and_however_often_it_is_offered(
    query: str, offered: list[str], expected: str | int, gateway: RunningGateway
) -> None:
    headers = [f"Sec-WebSocket-Protocol: {value}" for value in offered]
    assert await outcome(gateway, f"/ws/waiter{query}", *headers) == expected


@pytest.fixture(scope="module", params=["native", "asgi"])
def strict(request: pytest.FixtureRequest, valkey: ValkeyServer) -> Any:
    origins = ("https://app.example.com",)
    with run_gateway(valkey.url, sockets=request.param, allowed_origins=origins) as running:
        yield running


@pytest.mark.parametrize(
    ("origins", "admitted"),
    [
        ([], True),
        (["https://app.example.com"], True),
        (["https://evil.test"], False),
        ([""], False),
        (["null"], False),
        (["https://app.example.com https://evil.test"], False),
        (["https://app.example.com, https://evil.test"], False),
        (["https://app.example.com\tx"], False),
        (["https://evil.test", "https://app.example.com"], False),
        (["https://app.example.com", "https://evil.test"], False),
    ],
)
async def test_an_origin_is_judged_whole_and_a_second_one_helps_nobody(
    origins: list[str], admitted: bool, strict: RunningGateway
) -> None:
    headers = [f"Origin: {origin}" for origin in origins]
    # The server's own classes find two of them malformed.
    expected = {"welcome"} if admitted else {403, 400} if len(origins) > 1 else {403}
    assert await outcome(strict, f"/ws/waiter?token={GOOD}", *headers) in expected


@pytest.mark.parametrize(
    "path", ["/ws/waiter/", "//ws/waiter", "/ws/../ws/waiter", "/WS/waiter", "/ws/waiter%00", "/ws/x"]
)
async def test_no_other_path_is_an_endpoint(path: str, gateway: RunningGateway) -> None:
    assert await outcome(gateway, f"{path}?token={GOOD}") in {403, 404}


FORGED: list[dict[str, Any]] = [
    {"sub": "../12"},
    {"sub": "12\n"},
    {"tenant_id": -1},
    {"tenant_id": 2**53},
    {"tenant_id": True},
    {"tenant_id": "1"},
    {"branch_ids": ["5"]},
    {"branch_ids": [5.0]},
    {"branch_ids": [-5]},
    {"roles": "ADMIN"},
    {"exp": 1},
    {"exp": 10**400},
    {"exp": "9999999999"},
    {"iat": 9_999_999_999, "exp": 9_999_999_999 + 60},
    {"jti": ""},
    {"jti": "a b"},
    {"type": "refresh"},
    {"aud": "somebody-else"},
    {"nbf": 9_999_999_999},
]


@pytest.mark.parametrize("change", FORGED, ids=str)
async def test_a_claim_that_is_out_of_bounds_does_not_admit_though_it_is_signed(
    change: dict[str, Any], gateway: RunningGateway
) -> None:
    token = jwt_of(claims(**change), secret=DEVELOPMENT_SECRET)
    assert await outcome(gateway, f"/ws/waiter?token={token}") == 4001


@pytest.mark.parametrize("claim", ["sub", "tenant_id", "branch_ids", "roles", "exp", "iat", "jti"])
async def test_a_claim_that_is_missing_does_not_admit(claim: str, gateway: RunningGateway) -> None:
    members = {name: value for name, value in claims().items() if name != claim}
    token = jwt_of(members, secret=DEVELOPMENT_SECRET)
    assert await outcome(gateway, f"/ws/waiter?token={token}") == 4001


async def test_a_token_that_names_another_tenant_is_in_that_tenant_alone(
    gateway: RunningGateway, producer: Producer
) -> None:
    async with (
        welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=91, user="7")) as ours,
        welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=92, user="7")) as theirs,
    ):
        for tenant in (91, 92):
            await producer.publish(
                "branch:5:kitchen", {"type": "ROUND_READY", "tenant_id": tenant, "branch_id": 5, "fence": tenant}
            )
        assert await ours.until(91) == []
        assert await theirs.until(92) == []


# --- events ----------------------------------------------------------------------------------------------------------

TENANT = 95
BASE = f'"tenant_id":{TENANT},"branch_id":5'


def event(kind: str = "ROUND_READY", **members: Any) -> dict[str, Any]:
    return {"type": kind, "tenant_id": TENANT, "branch_id": 5, **members}


INJECTIONS: list[tuple[str, bytes]] = [
    # Members of the gateway's own, spelled in every way that a client's JSON parser would read as the same.
    *(
        ("branch:5:kitchen", b'{"type":"ROUND_READY",%s,%s:"1-1/0"}' % (BASE.encode(), name))
        for name in (
            b'"event_id"',
            b'"position"',
            rb'"event\u005fid"',
            rb'"\u0065vent_id"',
            rb'"\u0070\u006f\u0073\u0069\u0074\u0069\u006f\u006e"',
            rb'"positio\u006E"',
        )
    ),
    ("branch:5:kitchen", b'{"event_id":null,"type":"ROUND_READY",%s}' % BASE.encode()),
    # Members twice: the last counts, for the gateway as for clients, wherever the first points.
    ("branch:5:kitchen", b'{"branch_id":5,"type":"ROUND_READY","tenant_id":%d,"branch_id":6}' % TENANT),
    ("branch:5:kitchen", rb'{"type":"ROUND_READY",%s,"\u0062ranch_id":6}' % BASE.encode()),
    ("branch:5:kitchen", b'{"type":"ROUND_READY",%s,"type":"CART_SYNC","session_id":77}' % BASE.encode()),
    ("sector:9:waiters", b'{"type":"ROUND_READY",%s,"sector_id":9,"sector_id":8}' % BASE.encode()),
    ("session:77", b'{"type":"ROUND_READY",%s,"session_id":77,"session_id":78}' % BASE.encode()),
    # Channel and event that do not belong together, and types that do not belong on the channel.
    ("branch:5:kitchen", json.dumps(event(branch_id=6)).encode()),
    ("session:77", json.dumps(event(session_id=78)).encode()),
    ("session:77", json.dumps(event()).encode()),
    ("session:77", json.dumps(event("TICKET_READY", session_id=77)).encode()),
    ("sector:9:waiters", json.dumps(event(sector_id=8)).encode()),
    ("branch:5:kitchen", json.dumps(event("CHECK_PAID", session_id=77)).encode()),
    ("branch:5:waiters", json.dumps(event("ENTITY_CREATED")).encode()),
    # Ids that are almost right.
    *(
        ("branch:5:kitchen", json.dumps({**event(), "branch_id": odd}).encode())
        for odd in ("5", 5.0, True, [5], None, -5, 2**53 + 5, 1e300)
    ),
    ("branch:5:kitchen", b'{"type":"ROUND_READY","tenant_id":%d.0,"branch_id":5}' % TENANT),
    ("branch:5:kitchen", b'{"type":"ROUND_READY","tenant_id":%de0,"branch_id":5}' % TENANT),
    # What is no object, or is one behind or in front of something.
    ("branch:5:kitchen", b"[%s]" % json.dumps(event()).encode()),
    ("branch:5:kitchen", b"%s{}" % json.dumps(event()).encode()),
    ("branch:5:kitchen", b"\xef\xbb\xbf%s" % json.dumps(event()).encode()),
    ("branch:5:kitchen", b"\x00%s" % json.dumps(event()).encode()),
]


@asynccontextmanager
async def everybody(gateway: RunningGateway) -> AsyncIterator[dict[str, Client]]:
    """One of each audience of the room."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(welcomed(gateway.ws, path, token))
            for name, path, token in (
                ("waiter", "/ws/waiter", staff_token("WAITER", tenant=TENANT, user="w", sectors=(9,))),
                ("cook", "/ws/kitchen", staff_token("KITCHEN", tenant=TENANT, user="k")),
                ("admin", "/ws/admin", staff_token("ADMIN", tenant=TENANT, user="a")),
                ("diner", "/ws/diner", table_token(tenant=TENANT)),
            )
        }


async def fenced(peers: dict[str, Client], producer: Producer, fence: str) -> dict[str, list[str]]:
    """What each has got before an event that all may see."""
    for channel, members in (
        ("branch:5:waiters", {}),
        ("branch:5:kitchen", {}),
        ("branch:5:admin", {}),
        ("session:77", {"session_id": 77}),
    ):
        assert await producer.publish(channel, event("ROUND_READY", fence=fence, **members)) >= 1
    return {name: await peer.until(fence) for name, peer in peers.items()}


async def test_no_forged_event_on_a_channel_reaches_anybody(gateway: RunningGateway, producer: Producer) -> None:
    async with everybody(gateway) as peers:
        for channel, payload in INJECTIONS:
            assert await producer.publish(channel, payload) >= 1, channel
        assert await fenced(peers, producer, "pubsub") == {name: [] for name in peers}


async def test_no_forged_event_in_the_stream_reaches_anybody(
    gateway: RunningGateway, producer: Producer, redis: Redis
) -> None:
    """A critical event has no channel to contradict: what is refused is refused for what it holds."""
    forged = [payload for channel, payload in INJECTIONS if channel == "branch:5:kitchen" and is_refused(payload)]
    assert len(forged) > 20
    async with everybody(gateway) as peers:
        before = await redis.xlen(DLQ)
        for payload in forged:
            await redis.xadd(SOURCE, {"event": payload})
        for members in ({"event": b"", "tenant_id": "95"}, {"payload": json.dumps(event())}):
            await redis.xadd(SOURCE, members)
        await redis.xadd(SOURCE, {"event": json.dumps(event(session_id=77, fence="stream"))})
        for name, peer in peers.items():
            assert await peer.until("stream") == [], name
        async with asyncio.timeout(10):
            while await redis.xlen(DLQ) < before + len(forged) + 2:
                await asyncio.sleep(0.01)


def is_refused(payload: bytes) -> bool:
    """Whether an event is refused whatever way it comes."""
    try:
        RoutingTable().route(parse_event(payload))
    except EventRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    "channel",
    [
        "branch:5:kitchen ",
        " branch:5:kitchen",
        "branch:05:kitchen",
        "branch:5:kitchen:x",
        "branch:5:KITCHEN",
        "BRANCH:5:kitchen",
        "branch:+5:kitchen",
        "branch:5:kitchen\x00",
        "branch:5:kitchen\n",
        "branch:\u0665:kitchen",
        "branch:*:kitchen",
        "branch:5",
        "auth:revoked",
        "auth:sectors",
    ],
)
async def test_no_other_spelling_of_a_channel_reaches_it(
    channel: str, gateway: RunningGateway, producer: Producer
) -> None:
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=96)) as peer:
        forged = {"type": "ROUND_READY", "tenant_id": 96, "branch_id": 5}
        await producer.publish(channel, forged)
        await producer.publish("branch:5:kitchen", {**forged, "fence": 1})
        assert await peer.until(1) == []


async def test_patterns_let_no_other_spelling_through_either(valkey: ValkeyServer, producer: Producer) -> None:
    with run_gateway(valkey.url, pubsub="patterns") as gateway:
        async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=97)) as peer:
            forged = {"type": "ROUND_READY", "tenant_id": 97, "branch_id": 5}
            for channel in ("branch:05:kitchen", "branch:5:x:kitchen", "branch:5 :kitchen", "branch::kitchen"):
                assert await producer.publish(channel, forged) == 1, "the pattern brings it"
            await producer.publish("branch:5:kitchen", {**forged, "fence": 1})
            assert await peer.until(1) == []


async def test_the_claims_that_are_changed_above_are_good_ones(gateway: RunningGateway) -> None:
    token = jwt_of(claims(), secret=DEVELOPMENT_SECRET)
    assert await outcome(gateway, f"/ws/waiter?token={token}") == "welcome"
