"""Clients that come back, to the same node or to another one: from memory, from history, or told of a gap."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from gateway.protocol.keys import head_key, history_key
from gateway.protocol.positions import position_of
from gateway.types import Room
from tests.support.clients import client, welcomed
from tests.support.critical import Returning, emit_all
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "session_id": 77, "sector_id": 9}
ROOM = Room(1, 5)


def rounds(count: int, **members: Any) -> list[dict[str, Any]]:
    return [READY | {"n": number} | members for number in range(count)]


@pytest.fixture
async def redis(own_valkey: ValkeyServer) -> AsyncIterator[Redis]:
    connection = Redis.from_url(own_valkey.url)
    yield connection
    await connection.aclose()


@pytest.fixture
def node(own_valkey: ValkeyServer, sockets: str) -> Iterator[RunningGateway]:
    # A history that no producer here outruns, however slow the machine.
    with run_gateway(own_valkey.url, sockets=sockets, history_events=50_000) as running:
        yield running


def kitchen() -> Returning:
    return Returning("/ws/kitchen", staff_token("KITCHEN", user="k"))


async def left_after_one_event(node: RunningGateway, redis: Redis) -> tuple[Returning, list[str]]:
    """A kitchen that has heard one event and gone; with its id."""
    peer = kitchen()
    async with peer.connected(node.ws) as connection:
        expected = await emit_all(redis, rounds(1))
        await peer.hear(connection, expected[-1])
    return peer, expected


async def miss_more_than_buffers_hold(node: RunningGateway, redis: Redis) -> list[str]:
    """36 MB of events, several times what the kernel's buffers hold; their ids."""
    missed: list[str] = []
    for _ in range(6):
        missed += await emit_all(redis, rounds(100, x="x" * 60_000))
    await settled(node, missed[-1])
    return missed


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/ws/waiter", staff_token("WAITER", user="w", sectors=(9,))),
        ("/ws/kitchen", staff_token("KITCHEN", user="k")),
        ("/ws/admin", staff_token("ADMIN", user="a")),
        ("/ws/diner", table_token(session=77)),
    ],
    ids=["waiter", "kitchen", "admin", "diner"],
)
async def test_who_was_away_for_a_moment_gets_what_it_missed(
    node: RunningGateway, redis: Redis, path: str, token: str
) -> None:
    peer = Returning(path, token)
    async with peer.connected(node.ws) as connection:
        first = await emit_all(redis, rounds(3))
        await peer.hear(connection, first[-1])
    missed = await emit_all(redis, rounds(20))
    async with peer.connected(node.ws) as connection:
        assert connection.welcome["resumed"] == {"5": True}
        assert connection.welcome["positions"]["5"].startswith(first[-1]), "what it brought"
        later = await emit_all(redis, rounds(3))
        await peer.hear(connection, later[-1])
        await connection.send("ping")
        pong = await connection.json()
        assert pong["positions"] == peer.positions
    assert peer.log == first + missed + later
    async with peer.connected(node.ws) as connection:
        assert connection.welcome["resumed"] == {"5": True}
        await connection.send("ping")
        assert (await connection.json())["type"] == "pong", "nothing was missed, and nothing comes"


async def test_who_missed_more_than_memory_holds_gets_it_in_pages_while_events_flow(
    node: RunningGateway, redis: Redis
) -> None:
    peer, expected = await left_after_one_event(node, redis)
    expected += await emit_all(redis, rounds(600, x="x" * 1_000))
    await settled(node, expected[-1])
    patient = Returning(peer.path, peer.token, dict(peer.positions), list(peer.log))
    async with patient.connected(node.ws) as connection:
        await patient.hear(connection, expected[-1])
    assert patient.got_exactly(expected)
    assert await until_metric(node, 'gateway_resumes_total{outcome="history"}', 1)
    flowing = True

    async def flow() -> None:
        while flowing:
            expected.extend(await emit_all(redis, rounds(5)))
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        group.create_task(flow())
        for _ in range(5):
            async with peer.connected(node.ws) as connection:
                assert connection.welcome["resumed"] == {"5": True}
                # It goes again before it has everything.
                await peer.hear_some(connection, 100)
        flowing = False
    async with peer.connected(node.ws) as connection:
        await peer.hear(connection, expected[-1])
    assert peer.got_exactly(expected)
    assert await until_metric(node, "gateway_replays", 0)


async def test_a_slow_reader_is_given_history_at_its_own_pace(
    own_valkey: ValkeyServer, redis: Redis, sockets: str
) -> None:
    with run_gateway(own_valkey.url, sockets=sockets) as node:
        peer, expected = await left_after_one_event(node, redis)
        expected += await miss_more_than_buffers_hold(node, redis)
        async with peer.connected(node.ws, max_queue=1) as connection:
            assert await until_metric(node, "gateway_replays", 1)
            expected += await emit_all(redis, rounds(20))
            await asyncio.sleep(1)
            assert await metric(node, "gateway_replays") == 1, "it waits for its client"
            await connection.send("ping")
            await peer.hear(connection, expected[-1])
        assert peer.got_exactly(expected)
        assert await until_metric(node, "gateway_replays", 0)


async def test_history_that_ends_on_the_way_is_told(own_valkey: ValkeyServer, redis: Redis, sockets: str) -> None:
    with run_gateway(own_valkey.url, sockets=sockets) as node:
        peer, expected = await left_after_one_event(node, redis)
        expected += await miss_more_than_buffers_hold(node, redis)
        async with peer.connected(node.ws, max_queue=1) as connection:
            assert await until_metric(node, "gateway_replays", 1)
            await redis.delete(history_key(ROOM))
            later = await emit_all(redis, rounds(1))
            await peer.hear(connection, later[-1])
        gap = peer.log.index("gap")
        assert 1 < gap < len(expected)
        assert peer.log == [*expected[:gap], "gap", *later]
        assert await metric(node, 'gateway_resumes_total{outcome="gap"}') == 1


async def test_who_was_away_for_longer_than_history_is_told(
    own_valkey: ValkeyServer, redis: Redis, sockets: str
) -> None:
    with run_gateway(own_valkey.url, sockets=sockets, history_events=300) as node:
        peer = kitchen()
        async with peer.connected(node.ws) as connection:
            first = await emit_all(redis, rounds(1))
            await peer.hear(connection, first[-1])
        missed = await emit_all(redis, rounds(400))
        await settled(node, missed[-1])
        async with peer.connected(node.ws) as connection:
            assert connection.welcome["resumed"] == {"5": False}
            assert connection.welcome["positions"]["5"].startswith(missed[-1])
            later = await emit_all(redis, rounds(2))
            await peer.hear(connection, later[-1])
        assert peer.log == [*first, "gap", *later]


async def test_the_other_node_gives_what_was_missed_or_says_that_it_cannot(
    own_valkey: ValkeyServer, redis: Redis, sockets: str
) -> None:
    with (
        run_gateway(own_valkey.url, sockets=sockets) as one,
        run_gateway(own_valkey.url, sockets=sockets) as two,
        run_gateway(own_valkey.url, sockets=sockets) as three,
    ):
        peer = kitchen()
        async with peer.connected(one.ws) as connection:
            expected = await emit_all(redis, rounds(2))
            await peer.hear(connection, expected[-1])
        expected += await emit_all(redis, rounds(30))
        await settled(one, expected[-1])
        async with peer.connected(two.ws) as connection:
            expected += await emit_all(redis, rounds(3))
            await peer.hear(connection, expected[-1])
        assert peer.got_exactly(expected)
        # History expires; its head outlives it.
        missed = await emit_all(redis, rounds(5))
        await settled(two, missed[-1])
        await redis.delete(history_key(ROOM))
        async with peer.connected(three.ws) as connection:
            assert connection.welcome["resumed"] == {"5": False}
            assert connection.welcome["positions"]["5"].startswith(missed[-1])
        async with peer.connected(three.ws) as connection:
            assert connection.welcome["resumed"] == {"5": True}, "it stands at the head, so nothing was missed"
        await redis.delete(head_key(ROOM))
        later = await emit_all(redis, rounds(1))
        await settled(three, later[-1])
        async with peer.connected(one.ws) as connection:
            assert connection.welcome["resumed"] == {"5": False}, "history was begun again"


async def test_clients_that_wander_between_two_busy_nodes_get_everything_once(
    own_valkey: ValkeyServer, redis: Redis, sockets: str
) -> None:
    with (
        run_gateway(own_valkey.url, sockets=sockets, history_events=50_000) as one,
        run_gateway(own_valkey.url, sockets="native", history_events=50_000) as two,
    ):
        expected: list[str] = []
        flowing = True

        async def flow() -> None:
            while flowing:
                expected.extend(await emit_all(redis, rounds(3, x="x" * 500)))
                await asyncio.sleep(0.01)

        async def wander(peer: Returning, seed: int) -> None:
            for turn in range(12):
                async with peer.connected((one, two)[(turn + seed) % 2].ws) as connection:
                    await peer.hear_some(connection, 5 + 20 * seed)
                await asyncio.sleep(0.02 * seed)

        peers = [Returning("/ws/admin", staff_token("ADMIN", user=f"u{number}")) for number in range(4)]
        async with AsyncExitStack() as stack:
            connections = [await stack.enter_async_context(peer.connected(one.ws)) for peer in peers]
            expected += await emit_all(redis, rounds(1))
            for peer, connection in zip(peers, connections, strict=True):
                await peer.hear(connection, expected[0])
        async with asyncio.TaskGroup() as group:
            group.create_task(flow())
            async with asyncio.TaskGroup() as wanderers:
                for number, peer in enumerate(peers):
                    wanderers.create_task(wander(peer, number))
            flowing = False
        for peer in peers:
            async with peer.connected(two.ws) as connection:
                await peer.hear(connection, expected[-1])
            assert peer.got_exactly(expected)


async def test_two_branches_are_resumed_one_after_the_other(node: RunningGateway, redis: Redis) -> None:
    peer = Returning("/ws/admin", staff_token("ADMIN", branches=(5, 6)))
    other = {"branch_id": 6}
    async with peer.connected(node.ws) as connection:
        [first] = await emit_all(redis, rounds(1))
        await peer.hear(connection, first)
        [second] = await emit_all(redis, rounds(1, **other))
        await peer.hear(connection, second)
    here, there = await emit_all(redis, rounds(10)), await emit_all(redis, rounds(10, **other))
    await settled(node, there[-1], branch=6, user="b")
    async with peer.connected(node.ws) as connection:
        assert connection.welcome["resumed"] == {"5": True, "6": True}
        await peer.hear(connection, there[-1])
    assert peer.log == [first, second, *here, *there]
    # Of a branch that the token has no longer nothing is said.
    fewer = Returning("/ws/admin", staff_token("ADMIN", branches=(6,)), positions=dict(peer.positions))
    async with fewer.connected(node.ws) as connection:
        assert connection.welcome["resumed"] == {"6": True}
        assert list(connection.welcome["positions"]) == ["6"]


async def test_a_diner_is_given_its_own_session_alone(node: RunningGateway, redis: Redis) -> None:
    peer = Returning("/ws/diner", table_token(session=77))
    async with peer.connected(node.ws) as connection:
        [first] = await emit_all(redis, rounds(1))
        await peer.hear(connection, first)
    mixed = [READY | {"session_id": 77 + number % 3, "n": number} for number in range(900)]
    # The diners do not see this type, whoever's it is.
    mixed[10] = {**READY, "type": "TICKET_READY"}
    ids = await emit_all(redis, mixed)
    own = [
        i for i, event in zip(ids, mixed, strict=True) if event["session_id"] == 77 and event["type"] == "ROUND_READY"
    ]
    await settled(node, ids[-1])
    async with peer.connected(node.ws) as connection:
        last = await emit_all(redis, rounds(1))
        await peer.hear(connection, last[-1])
    assert peer.log == [first, *own, *last]


@pytest.mark.parametrize("path", ["/ws/waiter", "/ws/diner"])
@pytest.mark.parametrize("resume", ["5", "5:zzz", "5:0-0,5:0-0", "5:1-0/0123abcd;6:0-0"])
async def test_a_malformed_resume_is_1008(node: RunningGateway, path: str, resume: str) -> None:
    token = table_token() if path == "/ws/diner" else staff_token()
    async with client(node.ws, path, token, resume=resume) as peer:
        assert await peer.close_code() == 1008


async def test_a_room_that_never_had_an_event_is_resumed_from_its_beginning(node: RunningGateway, redis: Redis) -> None:
    token = staff_token("KITCHEN", user="k")
    async with welcomed(node.ws, "/ws/kitchen", token, resume="5:0-0") as peer:
        assert peer.welcome["resumed"] == {"5": True}
        [first] = await emit_all(redis, rounds(1))
        assert (await peer.json())["event_id"] == first
    position = position_of(first, json.dumps(rounds(1)[0]).encode())
    async with welcomed(node.ws, "/ws/kitchen", token, resume=f"5:0-0,7:{position}") as peer:
        assert peer.welcome["resumed"] == {"5": False}
        assert peer.welcome["positions"] == {"5": position}


async def settled(node: RunningGateway, entry_id: str, branch: int = 5, user: str = "watch") -> None:
    """Wait until a node has come up to an event."""
    async with asyncio.timeout(30):
        while True:
            async with welcomed(node.ws, "/ws/admin", staff_token("ADMIN", user=user, branches=(branch,))) as peer:
                # Cut: a close handshake would wait behind all that comes meanwhile.
                peer.connection.transport.abort()
                if peer.welcome["positions"][str(branch)].startswith(f"{entry_id}/"):
                    return
            await asyncio.sleep(0.05)


async def metric(node: RunningGateway, series: str) -> float:
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"{node.http}/ws/metrics")).text
    [line] = [line for line in text.splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])


async def until_metric(node: RunningGateway, series: str, value: float) -> bool:
    async with asyncio.timeout(20):
        while await metric(node, series) != value:
            await asyncio.sleep(0.02)
    return True
