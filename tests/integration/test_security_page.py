"""The ACL lines of SECURITY.md are enough for what they are for, and for no more."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from gateway.client import AsyncPublisher, AsyncRevoker
from tests.support.api import Api, eventually
from tests.support.clients import welcomed
from tests.support.cluster import run_cluster
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

PAGE = Path(__file__).resolve().parents[2] / "SECURITY.md"
EVENT = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


def as_user(server: ValkeyServer, user: str) -> str:
    parts = urlsplit(server.url)
    return f"redis://{user}:password@{parts.hostname}:{parts.port}/0"


async def apply_acl(server: ValkeyServer, *, cluster: bool = False) -> None:
    lines = re.findall(r"^ACL SETUSER .*$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 6
    if not cluster:
        lines = [line for line in lines if " on " in line]
        assert len(lines) == 3
    async with Redis.from_url(server.url) as admin:
        for line in lines:
            await admin.execute_command(*shlex.split(line))


async def use_the_api(server: ValkeyServer, gateway: RunningGateway, pubsub: str) -> None:
    """Do by the operator API whatever it does in Redis; the last thing is a revocation."""
    async with Redis.from_url(server.url) as admin, httpx.AsyncClient(timeout=20) as http:
        letter = (
            await admin.xadd("events:dlq", {"id": "5-5", "event": json.dumps(EVENT), "reason": "failed"})
        ).decode()
        with run_gateway(as_user(server, "gateway"), pubsub=pubsub) as other:
            api, elsewhere = Api(http, gateway, None), Api(http, other, None)

            async def nodes() -> int:
                return len((await api.get("/nodes"))["nodes"])

            await eventually(nodes, 2)
            name = (await elsewhere.get("/connections", nodes="all"))["connections"][0]["connection"]
            await api.post("/publish", {"events": [{"event": EVENT}, {"channel": "branch:5:waiters", "event": EVENT}]})
            emitted = await api.post("/emit", {"events": [{"event": EVENT}, {"event": EVENT, "key": "api"}]})
            assert len(emitted["results"]) == 2
            await api.post(f"/dlq/{letter}/replay", None)
            assert (await api.get("/dlq"))["entries"] == []
            assert (await elsewhere.ask("DELETE", f"/connections/{name.partition('-')[0]}-9999")).status_code == 404
            await api.post("/revoke", {"jti": "some-token"})
            await elsewhere.post("/revoke", {"tenant": 1, "user": "12"})


@pytest.mark.parametrize("pubsub", ["exact", "patterns"])
async def test_a_gateway_and_a_producer_work_with_their_users(pubsub: str, caplog: pytest.LogCaptureFixture) -> None:
    with run_valkey() as server:
        await apply_acl(server)
        async with Redis.from_url(server.url) as admin:
            await admin.sadd("{tenant:1}:sectors:user:12", "9")
            # Something for the relay to take up from before its start, and to feed again.
            await admin.xadd("events:critical", {"event": json.dumps(EVENT)})
            await admin.xgroup_create("events:critical", "ws_gateway_group", "$")
        with run_gateway(as_user(server, "gateway"), pubsub=pubsub) as gateway:
            token = staff_token("WAITER", sectors=None)
            async with (
                welcomed(gateway.ws, "/ws/waiter", token) as peer,
                Redis.from_url(as_user(server, "orders")) as orders,
            ):
                heard = EVENT | {"sector_id": 9}
                assert await orders.publish("sector:9:waiters", json.dumps(heard)) == 1
                assert await peer.json() == heard
                publisher = AsyncPublisher.from_url(as_user(server, "orders"))
                entry_id = await publisher.emit(heard, key="order-1")
                assert await publisher.emit(heard, key="order-1") == entry_id
                await publisher.close()
                assert (await peer.json())["event_id"] == entry_id
                await use_the_api(server, gateway, pubsub)
                assert await peer.close_code() == 4001
        for refusal in ("NOPERM", "ACL failure in script"):
            assert refusal not in caplog.text, "nothing that a gateway does is refused to it"


async def test_both_work_in_a_cluster_with_what_they_need_in_addition(caplog: pytest.LogCaptureFixture) -> None:
    with run_cluster() as cluster:
        for server in cluster.masters:
            await apply_acl(server, cluster=True)
        urls = {
            user: f"redis+cluster://{user}:password@127.0.0.1:{cluster.masters[0].port}"
            for user in ("gateway", "orders")
        }
        with run_gateway(urls["gateway"]) as gateway:
            async with (
                welcomed(gateway.ws, "/ws/waiter", staff_token("WAITER", sectors=None)) as peer,
                AsyncPublisher.from_url(urls["orders"]) as orders,
            ):
                await orders.publish("branch:5:waiters", EVENT)
                assert await peer.json() == EVENT
                entry_id = await orders.emit(EVENT, key="order-1")
                assert (await peer.json())["event_id"] == entry_id
        assert "NOPERM" not in caplog.text, "nothing that a gateway does is refused to it"


async def test_a_producer_can_do_nothing_else() -> None:
    with run_valkey() as server:
        await apply_acl(server)
        async with Redis.from_url(as_user(server, "orders")) as orders:
            for attempt in (
                ("GET", "jwt:blacklist:x"),
                ("SET", "{tenant:1}:revoked:all", "0"),
                ("SUBSCRIBE", "branch:5:kitchen"),
                ("PUBLISH", "auth:revoked", "{}"),
                ("PUBLISH", "gateway:nodes", "{}"),
                ("ZADD", "{gateway:nodes}:roster", "1", "x"),
                ("XREAD", "STREAMS", "events:critical", "0"),
                ("XADD", "events:dlq", "*", "a", "b"),
                ("CONFIG", "GET", "*"),
            ):
                with pytest.raises(NoPermissionError):
                    await orders.execute_command(*attempt)


async def test_who_revokes_can_revoke_and_do_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    with run_valkey() as server:
        await apply_acl(server)
        with run_gateway(as_user(server, "gateway")) as gateway:
            async with (
                welcomed(gateway.ws, "/ws/waiter", staff_token("WAITER")) as peer,
                AsyncRevoker.from_url(as_user(server, "accounts")) as revoker,
            ):
                assert (await revoker.revoke_user(1, "12")).nodes == 1
                assert await peer.close_code() == 4001
        assert "NOPERM" not in caplog.text
        async with Redis.from_url(as_user(server, "accounts")) as accounts:
            await accounts.sadd("{tenant:1}:sectors:user:12", "9")
            assert await accounts.publish("auth:sectors", b"{}") == 0
            for attempt in (
                ("PUBLISH", "branch:5:kitchen", "{}"),
                ("PUBLISH", "gateway:nodes", "{}"),
                ("XADD", "events:critical", "*", "a", "b"),
                ("GET", "{tenant:1:branch:5}:head"),
                ("SET", "{events:critical}:lease", "mine"),
            ):
                with pytest.raises(NoPermissionError):
                    await accounts.execute_command(*attempt)
