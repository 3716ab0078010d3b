"""The four endpoints end to end: a real Valkey, a real uvicorn, real clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from redis.asyncio import Redis
from websockets.exceptions import InvalidStatus

from tests.integration.conftest import Producer
from tests.support.clients import client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer

ENDPOINTS = {
    "/ws/waiter": (staff_token("WAITER"), "branch:5:waiters", "ROUND_PENDING", {}),
    "/ws/kitchen": (staff_token("KITCHEN"), "branch:5:kitchen", "ROUND_SUBMITTED", {}),
    "/ws/admin": (staff_token("ADMIN"), "branch:5:admin", "ENTITY_CREATED", {}),
    "/ws/diner": (table_token(), "session:77", "CART_SYNC", {"session_id": 77}),
}


NOT_UTF8 = b'{"type":"ENTITY_CREATED","tenant_id":1,"branch_id":5,"x":"\xff"}'


def event(kind: str = "ROUND_PENDING", *, tenant: int = 1, branch: int = 5, **members: Any) -> dict[str, Any]:
    return {"type": kind, "tenant_id": tenant, "branch_id": branch, **members}


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_client_is_welcomed_and_gets_its_event_byte_for_byte(
    path: str, gateway: RunningGateway, producer: Producer
) -> None:
    token, channel, kind, ids = ENDPOINTS[path]
    payload = json.dumps(event(kind, **ids, note="ñandú  \U0001f35c"), indent=1, ensure_ascii=False)
    async with welcomed(gateway.ws, path, token) as peer:
        assert peer.welcome["heartbeat"] == 30
        assert peer.welcome["positions"] == {"5": "0-0"}
        assert "resumed" not in peer.welcome
        assert await producer.publish(channel, payload.encode()) == 1
        assert await peer.text() == payload


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_the_token_may_come_as_a_subprotocol_and_wins_over_the_query(path: str, gateway: RunningGateway) -> None:
    token = ENDPOINTS[path][0]
    async with welcomed(gateway.ws, path, "nonsense", subprotocols=["bearer", token]) as peer:
        assert peer.connection.subprotocol == "bearer"


async def test_two_connections_have_two_names(gateway: RunningGateway) -> None:
    async with (
        welcomed(gateway.ws, "/ws/waiter", staff_token()) as one,
        welcomed(gateway.ws, "/ws/waiter", staff_token()) as other,
    ):
        assert one.welcome["connection_id"] != other.welcome["connection_id"]


async def test_the_events_of_a_room_arrive_in_order_and_once(gateway: RunningGateway, producer: Producer) -> None:
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(welcomed(gateway.ws, "/ws/admin", staff_token("ADMIN", user=f"reader-{n}")))
            for n in range(5)
        ]
        pipeline = producer.redis.pipeline(transaction=False)
        for n in range(400):
            pipeline.publish("branch:5:admin", json.dumps(event("ENTITY_UPDATED", n=n)))
        await pipeline.execute()
        await producer.publish("branch:5:admin", event("ENTITY_UPDATED", fence=2))
        for peer in peers:
            assert [json.loads(text)["n"] for text in await peer.until(2)] == list(range(400))


async def test_a_channel_is_subscribed_while_somebody_needs_it_and_no_longer(
    gateway: RunningGateway, producer: Producer
) -> None:
    channel = "branch:4711:kitchen"
    assert await producer.publish(channel, event("ROUND_READY", branch=4711)) == 0
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", branches=(4711,))):
        assert await producer.publish(channel, event("ROUND_READY", branch=4711)) == 1
    async with asyncio.timeout(10):
        while await producer.publish(channel, event("ROUND_READY", branch=4711)):
            await asyncio.sleep(0.01)


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_no_token_is_401_before_the_upgrade(path: str, gateway: RunningGateway) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with client(gateway.ws, path):
            pass
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("path", "token", "code"),
    [
        ("/ws/waiter", "nonsense", 4001),
        ("/ws/waiter", staff_token(secret="another secret of at least 32 bytes"), 4001),
        ("/ws/waiter", table_token(), 4001),
        ("/ws/diner", staff_token("ADMIN"), 4001),
        ("/ws/waiter", staff_token("KITCHEN"), 4003),
        ("/ws/kitchen", staff_token("WAITER"), 4003),
        ("/ws/admin", staff_token("WAITER"), 4003),
        ("/ws/admin", staff_token("KITCHEN"), 4003),
        ("/ws/waiter", staff_token("SOMETHING_ELSE"), 4003),
    ],
)
async def test_a_token_that_does_not_admit_closes_with_its_code(
    path: str, token: str, code: int, gateway: RunningGateway
) -> None:
    async with client(gateway.ws, path, token) as peer:
        assert await peer.close_code() == code


@pytest.mark.parametrize(
    "key",
    ["{{tenant:1}}:revoked:all", "{{tenant:1}}:revoked:user:{user}", "jwt:blacklist:{jti}"],
)
async def test_a_revoked_token_is_4001(key: str, gateway: RunningGateway, redis: Redis) -> None:
    token = staff_token(user="revoked-one")
    claims = jwt.decode(token, options={"verify_signature": False})
    name = key.format(user=claims["sub"], jti=claims["jti"])
    await redis.set(name, str(claims["iat"]), ex=60)
    try:
        async with client(gateway.ws, "/ws/waiter", token) as peer:
            assert await peer.close_code() == 4001
    finally:
        await redis.delete(name)


async def test_a_fourth_connection_of_a_user_is_4029_and_its_place_is_given_back(gateway: RunningGateway) -> None:
    token = staff_token(user="many")
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(welcomed(gateway.ws, "/ws/waiter", token))
        async with client(gateway.ws, "/ws/waiter", token) as peer:
            assert await peer.close_code() == 4029
        # Another tenant's user of the same name is another user.
        async with welcomed(gateway.ws, "/ws/waiter", staff_token(user="many", tenant=2)):
            pass
    async with welcomed(gateway.ws, "/ws/waiter", token):
        pass


async def test_twenty_one_joins_of_one_table_session_at_once_leave_one_out(gateway: RunningGateway) -> None:
    token = table_token(session=2121)
    async with AsyncExitStack() as stack:
        peers = await asyncio.gather(
            *(stack.enter_async_context(client(gateway.ws, "/ws/diner", token)) for _ in range(21))
        )
        first = await asyncio.gather(*(asyncio.create_task(_welcome_or_code(peer)) for peer in peers))
        assert sorted(map(str, first)) == ["4029", *["welcome"] * 20]


async def _welcome_or_code(peer: Any) -> Any:
    try:
        return (await peer.json())["type"]
    except Exception:  # noqa: BLE001 - closed instead of welcomed: the code says why
        return await peer.close_code()


# --- what a client may say -------------------------------------------------------------------------------------


@pytest.fixture
async def waiter(gateway: RunningGateway) -> AsyncIterator[Any]:
    async with welcomed(gateway.ws, "/ws/waiter", staff_token(user="talker", sectors=(9, 4))) as peer:
        yield peer


@pytest.mark.parametrize("ping", ["ping", '{"type":"ping"}', '{ "type" : "ping", "at": 12345678901234567890 }'])
async def test_a_ping_is_answered_with_a_pong(ping: str, waiter: Any) -> None:
    await waiter.send(ping)
    assert await waiter.json() == {"type": "pong", "positions": {"5": "0-0"}}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("hello", "bad_json"),
        ('{"kind":"ping"}', "bad_json"),
        ('{"type":"subscribe"}', "unknown_type"),
        ('{"type":"refresh_token"}', "unknown_type"),
        ('{"type":"refresh_token","token":5}', "unknown_type"),
        ('{"type":"refresh_token","token":"nonsense"}', "bad_token"),
    ],
)
async def test_what_cannot_be_done_is_answered_and_closes_nothing(message: str, code: str, waiter: Any) -> None:
    await waiter.send(message)
    assert await waiter.json() == {"type": "error", "code": code}
    await waiter.send("ping")
    assert (await waiter.json())["type"] == "pong"


async def test_sectors_of_the_token_are_told_in_the_form_of_the_question(waiter: Any) -> None:
    await waiter.send("refresh_sectors")
    assert await waiter.text() == "sectors_updated:9,4"
    await waiter.send({"type": "refresh_sectors"})
    assert await waiter.json() == {"type": "error", "code": "too_soon"}


async def test_refreshed_sectors_come_from_redis_and_move_the_audiences(
    gateway: RunningGateway, producer: Producer, redis: Redis
) -> None:
    key = "{tenant:1}:sectors:user:mover"
    await redis.delete(key)
    await redis.sadd(key, "31")
    token = staff_token(user="mover", sectors=None)
    async with (
        welcomed(gateway.ws, "/ws/waiter", token) as peer,
        welcomed(gateway.ws, "/ws/waiter", staff_token(user="witness", sectors=(31,))) as witness,
    ):
        old = event("ROUND_READY", sector_id=31)
        await producer.publish("branch:5:waiters", old)
        assert await peer.json() == old
        await redis.delete(key)
        await redis.sadd(key, "32", "33", "no sector")
        await peer.send({"type": "refresh_sectors"})
        assert await peer.json() == {"type": "sectors_updated", "sectors": [32, 33]}
        await producer.publish("branch:5:waiters", old)
        new = event("ROUND_READY", sector_id=33)
        await producer.publish("sector:33:waiters", new)
        assert await peer.json() == new, "nothing of the old sector after the answer"
        assert [await witness.json(), await witness.json()] == [old, old]
    await redis.delete(key)


async def test_a_refreshed_token_moves_the_connection_and_keeps_it(gateway: RunningGateway, producer: Producer) -> None:
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", user="cook")) as peer:
        new = staff_token("KITCHEN", user="cook", branches=(6,))
        await peer.send({"type": "refresh_token", "token": new})
        answer = await peer.json()
        assert answer["type"] == "token_refreshed"
        assert isinstance(answer["exp"], int)
        await producer.publish("branch:5:kitchen", event("ROUND_READY"))
        moved = event("ROUND_READY", branch=6)
        assert await producer.publish("branch:6:kitchen", moved) == 1
        assert await peer.json() == moved


@pytest.mark.parametrize(
    "token",
    [
        staff_token("KITCHEN", user="somebody-else"),
        staff_token("KITCHEN", user="cook", tenant=2),
        staff_token("WAITER", user="cook"),
    ],
    ids=["another subject", "another tenant", "a role that does not admit"],
)
async def test_a_refresh_for_somebody_else_is_4003(token: str, gateway: RunningGateway) -> None:
    async with welcomed(gateway.ws, "/ws/kitchen", staff_token("KITCHEN", user="cook")) as peer:
        await peer.send({"type": "refresh_token", "token": token})
        assert await peer.close_code() == 4003


async def test_a_binary_message_is_1003(waiter: Any) -> None:
    await waiter.send(b"\x00")
    assert await waiter.close_code() == 1003


async def test_a_message_over_the_limit_is_1009(waiter: Any) -> None:
    await waiter.send("x" * 65_537)
    assert await waiter.close_code() == 1009


async def test_more_than_twenty_messages_at_once_are_4029(gateway: RunningGateway) -> None:
    # A user of its own, since that one is refused for a minute from then on.
    talker = staff_token(user=f"talker-{gateway.gateway.settings.sockets}")
    async with welcomed(gateway.ws, "/ws/waiter", talker) as peer:
        for _ in range(60):
            await peer.send("ping")
        assert await peer.close_code() == 4029


async def test_a_token_closes_its_connection_when_it_expires(gateway: RunningGateway) -> None:
    async with welcomed(gateway.ws, "/ws/waiter", staff_token(user="short", expires_in=2)) as peer:
        assert await peer.close_code() == 4001


# --- the ways in -----------------------------------------------------------------------------------------------


async def test_refused_events_are_counted_by_reason_and_reach_nobody(
    gateway: RunningGateway, producer: Producer
) -> None:
    bad: dict[str, list[tuple[str, bytes | dict[str, Any]]]] = {
        "bad_json": [("branch:5:admin", b"{"), ("branch:5:admin", NOT_UTF8)],
        "bad_shape": [
            ("branch:5:admin", b"[]"),
            ("branch:5:admin", event("ENTITY_CREATED", tenant=True)),
            ("branch:5:admin", event("ENTITY_CREATED", session_id="77")),
        ],
        "too_big": [("branch:5:admin", event("ENTITY_CREATED", x="y" * 65_536))],
        "reserved_member": [("branch:5:admin", event("ENTITY_CREATED", event_id="1-1"))],
        "unknown_type": [("branch:5:admin", event("NO_SUCH_TYPE"))],
        "not_for_audience": [("branch:5:admin", event("CART_SYNC", session_id=77))],
        "channel_mismatch": [("branch:5:admin", event("ENTITY_CREATED", branch=6))],
    }

    def dropped(reason: str) -> float:
        labels = {"source": "pubsub", "reason": reason}
        value = gateway.gateway.metrics.registry.get_sample_value("gateway_events_dropped_total", labels)
        assert value is not None
        return value

    before = {reason: dropped(reason) for reason in bad}
    async with welcomed(gateway.ws, "/ws/admin", staff_token("ADMIN", user="counter")) as peer:
        for events in bad.values():
            for channel, payload in events:
                assert await producer.publish(channel, payload) == 1
        await producer.publish("branch:5:admin", event("ENTITY_CREATED", fence=3))
        assert await peer.until(3) == []
    assert {reason: dropped(reason) - before[reason] for reason in bad} == {
        reason: len(events) for reason, events in bad.items()
    }


async def test_patterns_hear_the_same(valkey: ValkeyServer, producer: Producer) -> None:
    with run_gateway(valkey.url, pubsub="patterns") as patterned:
        async with welcomed(patterned.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=31)) as peer:
            heard = event("ROUND_READY", tenant=31)
            assert await producer.publish("branch:5:kitchen", heard) >= 1
            assert await peer.json() == heard
