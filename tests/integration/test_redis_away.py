"""A gateway whose Redis goes away and comes back: what goes on meanwhile, and that nothing needs a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import httpx
import pytest
from redis.asyncio import Redis

from gateway.client import AsyncPublisher
from tests.support.clients import client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

DUTIES = ("commands", "pubsub", "live", "relay", "announcements")
OPEN_SECONDS = 3.0
SLACK = 10.0
"""For a busy machine: starting Redis, one attempt, and the trials after it."""


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with run_valkey({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield server


@pytest.fixture
def node(server: ValkeyServer) -> Iterator[RunningGateway]:
    with run_gateway(server.url, breaker_open=OPEN_SECONDS) as running:
        yield running


def breakers(node: RunningGateway) -> dict[str, float | None]:
    """0 closed, 1 half-open, 2 open."""
    registry = node.gateway.metrics.registry
    return {duty: registry.get_sample_value("gateway_breaker_state", {"duty": duty}) for duty in DUTIES}


async def reasons(node: RunningGateway) -> list[str]:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{node.http}/ws/health/detailed")
    found: list[str] = answer.json()["reasons"]
    assert (answer.status_code == 200) is (found == [])
    return found


@pytest.mark.parametrize("fault", ["killed", "hanging"])
async def test_clients_stay_newcomers_are_refused_and_everything_comes_back(
    server: ValkeyServer, node: RunningGateway, fault: str
) -> None:
    event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
    async with welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN")) as peer:
        assert await reasons(node) == []
        if fault == "killed":
            server.kill()
        else:
            server.pause()
        opened: set[str] = set()
        # One that hangs is noticed by time-outs, and opens nothing within the time of a test.
        expected = set(DUTIES) if fault == "killed" else set()
        async with asyncio.timeout(60):
            while True:
                opened |= {duty for duty, state in breakers(node).items() if state == 2}
                # Nobody but newcomers and probes asks with commands.
                assert "redis" in await reasons(node)
                await peer.send("ping")
                assert (await peer.json())["type"] == "pong", "heartbeats go on"
                if opened >= expected:
                    break
                await asyncio.sleep(0.1)  # 20 messages a second are allowed
        async with client(node.ws, "/ws/waiter", staff_token(user="late")) as late:
            assert await late.close_code() == 1013
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{node.http}/ws/health")).status_code == 200, "alive all the same"

        if fault == "killed":
            server.start()
        else:
            server.resume()
        back = time.monotonic()
        async with asyncio.timeout(60):
            while await reasons(node):
                await asyncio.sleep(0.05)
        assert time.monotonic() - back < OPEN_SECONDS + SLACK
        async with AsyncPublisher.from_url(server.url) as publisher:
            assert await publisher.publish("branch:5:kitchen", event) == 1
            assert await peer.json() == event
            entry = await publisher.emit(event)
            assert (await peer.json())["event_id"] == entry
        async with welcomed(node.ws, "/ws/waiter", staff_token(user="late")):
            pass
        async with asyncio.timeout(30):
            while any(breakers(node).values()):
                assert await reasons(node) == []
                await asyncio.sleep(0.05)


async def test_a_duty_that_fails_alone_opens_its_own_breaker_alone(server: ValkeyServer) -> None:
    """Redis permits everything but Pub/Sub by pattern."""
    async with Redis.from_url(server.url) as admin:
        await admin.execute_command("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "-psubscribe", "&*")
    url = f"redis://deaf:pw@127.0.0.1:{server.port}/0"
    with run_gateway(url, breaker_open=60.0, pubsub="patterns") as node:
        async with asyncio.timeout(30):
            while breakers(node)["pubsub"] != 2:
                assert await reasons(node) == ["pubsub"]
        assert breakers(node) == {**dict.fromkeys(DUTIES, 0), "pubsub": 2}


async def test_every_key_has_an_end_and_a_slot(server: ValkeyServer) -> None:
    """After a busy run nothing of the gateway's own is left that nobody will ever remove."""
    with run_gateway(server.url, relay_lease=2.0) as node:
        async with AsyncPublisher.from_url(server.url) as publisher, Redis.from_url(server.url) as redis:
            for branch in range(5, 25):
                event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": branch}
                token = staff_token("KITCHEN", user=f"cook-{branch}", branches=(branch,))
                async with welcomed(node.ws, "/ws/kitchen", token) as peer:
                    await publisher.publish(f"branch:{branch}:kitchen", event)
                    assert await peer.json() == event
                    for number in range(5):
                        await publisher.emit(event, key=f"run-{branch}-{number}")
                    for _ in range(5):
                        assert "event_id" in await peer.json()
                async with welcomed(node.ws, "/ws/waiter", staff_token(user=f"w-{branch}", branches=(branch,))) as peer:
                    await peer.send("refresh_sectors")
                    assert (await peer.text()).startswith("sectors_updated")
            await redis.xadd("events:critical", {"event": "{"})
            async with asyncio.timeout(10):
                while not await redis.xlen("events:dlq"):
                    await asyncio.sleep(0.02)
            names = sorted([name.decode() async for name in redis.scan_iter(count=1_000)])
            assert len(names) > 20 * 3, "or too little was written to say anything"
            # Capped: by the relay, which trims to an hour; by every XADD.
            streams = {"events:critical", "events:dlq"}
            assert streams <= set(names)
            without_end = [name for name in names if name not in streams and await redis.ttl(name) < 1]
            without_slot = [name for name in names if name not in streams and "{" not in name]
            assert (without_end, without_slot) == ([], [])


async def test_what_one_join_asks_of_redis(server: ValkeyServer, node: RunningGateway) -> None:
    """So that whoever adds a question sees it here."""

    async def asked(token: str) -> dict[str, int]:
        async with Redis.from_url(server.url) as redis:
            await redis.config_resetstat()
            async with welcomed(node.ws, "/ws/waiter", token):
                stats = await redis.info("commandstats")
        ours = ("mget", "get", "smembers", "subscribe", "ssubscribe", "evalsha", "exists", "incr")
        return {name: stats[f"cmdstat_{name}"]["calls"] for name in ours if f"cmdstat_{name}" in stats}

    async with asyncio.timeout(10):
        while await reasons(node):
            await asyncio.sleep(0.05)
    branches = tuple(range(100, 110))
    first = await asked(staff_token(user="a", branches=branches, sectors=None))
    relay = first.pop("evalsha", 0)
    assert relay < 10, "the relay's own questions"
    # Three revocations and a penalty, with a place; sectors; ten rooms: one subscription of each kind and one look at
    # their heads.
    assert first == {"get": 4, "mget": 1, "smembers": 1, "subscribe": 1, "ssubscribe": 1}
    # The rooms linger and the sectors are remembered: the first is all that must be asked, and the channels.
    again = await asked(staff_token(user="a", branches=branches, sectors=None))
    again.pop("evalsha", 0)
    again.pop("subscribe", 0)
    assert again == {"get": 4}
