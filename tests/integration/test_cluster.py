"""A gateway on a cluster: rooms on several masters, slots that move, a master that dies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from gateway.client import AsyncPublisher, Publisher
from gateway.protocol.keys import DLQ, SOURCE, history_key
from gateway.types import Room
from tests.support.clients import welcomed
from tests.support.cluster import ValkeyCluster, eventually, run_cluster
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.steady import Recorder, SteadyProducer, recorder
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

BRANCHES = (5, 6, 7, 8, 9, 10)


@pytest.fixture
def cluster() -> Iterator[ValkeyCluster]:
    """Its own for each test: the source stream has one name, and slots are moved."""
    with run_cluster() as cluster:
        yield cluster


@pytest.fixture
def node(cluster: ValkeyCluster) -> Iterator[RunningGateway]:
    with run_gateway(cluster.url, breaker_open=1.0) as running:
        yield running


def of_room(branch: int) -> str:
    return history_key(Room(1, branch))


async def record(stack: AsyncExitStack, node: RunningGateway) -> dict[int, Recorder]:
    return {branch: await stack.enter_async_context(recorder(node.ws, branch)) for branch in BRANCHES}


async def grow(producer: SteadyProducer, by: int) -> None:
    """Wait until so many more events of each room were emitted."""
    target = min(map(len, producer.emitted.values())) + by
    async with asyncio.timeout(15):
        while min(map(len, producer.emitted.values())) < target:
            await asyncio.sleep(0.02)


async def check(producer: SteadyProducer, kitchens: dict[int, Recorder]) -> None:
    await producer.stop()
    for branch, kitchen in kitchens.items():
        await kitchen.until(producer.emitted[branch])
        kitchen.check(producer.emitted[branch])


async def test_rooms_of_all_masters_get_critical_and_best_effort_events(
    cluster: ValkeyCluster, node: RunningGateway
) -> None:
    assert len({cluster.owner(of_room(branch)).port for branch in BRANCHES}) == 3, "or less is tested than is said"
    async with AsyncExitStack() as stack:
        kitchens = await record(stack, node)
        producer = await stack.enter_async_context(SteadyProducer(cluster.url, BRANCHES))
        await grow(producer, 30)
        await check(producer, kitchens)
        async with AsyncPublisher.from_url(cluster.url) as publisher:
            for branch in BRANCHES:
                event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": branch, "best": "effort"}
                await publisher.publish(f"branch:{branch}:kitchen", event)
                async with asyncio.timeout(10):
                    while event not in kitchens[branch].others:
                        await asyncio.sleep(0.01)
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{node.http}/ws/health/detailed")
    assert (answer.status_code, answer.json()["reasons"]) == (200, [])


async def test_what_cannot_be_delivered_goes_to_a_queue_in_another_slot(
    cluster: ValkeyCluster, node: RunningGateway
) -> None:
    with cluster.owner(SOURCE).admin() as admin:
        bad = admin.xadd(SOURCE, {"event": "{"})
    with cluster.owner(DLQ).admin() as admin:
        eventually("the letter is there", lambda: admin.xlen(DLQ) == 1)
        [(_, letter)] = admin.xrange(DLQ)
    assert (letter["id"], letter["reason"]) == (bad, "bad_json")


@pytest.mark.parametrize("moved", ["a room", "the source", "the dead-letter queue"])
async def test_slots_that_move_cost_nothing(cluster: ValkeyCluster, node: RunningGateway, moved: str) -> None:
    key = {"a room": of_room(5), "the source": SOURCE, "the dead-letter queue": DLQ}[moved]
    async with AsyncExitStack() as stack:
        kitchens = await record(stack, node)
        producer = await stack.enter_async_context(SteadyProducer(cluster.url, BRANCHES))
        await grow(producer, 10)
        target = next(master for master in cluster.masters if master is not cluster.owner(key))
        await asyncio.to_thread(cluster.move, key, target)
        await grow(producer, 20)
        await check(producer, kitchens)
        async with welcomed(node.ws, "/ws/waiter", staff_token(user="late", branches=BRANCHES)):
            pass


async def test_a_master_that_dies_is_replaced_and_the_others_rooms_do_not_wait(
    cluster: ValkeyCluster, node: RunningGateway
) -> None:
    source = cluster.owner(SOURCE)
    victim = next(master for master in cluster.masters if master is not source)
    hit = next(branch for branch in BRANCHES if cluster.owner(of_room(branch)) is victim)
    await asyncio.to_thread(cluster.add_replica, victim)
    async with AsyncExitStack() as stack:
        kitchens = await record(stack, node)
        producer = await stack.enter_async_context(SteadyProducer(cluster.url, BRANCHES))
        await grow(producer, 10)
        others = [master for master in cluster.masters if master is not victim]
        links = [_live_links(master) for master in others]
        victim.kill()
        await asyncio.to_thread(
            eventually, "the replica has taken over", lambda: cluster.owner(of_room(hit)) is not victim
        )
        await producer.emit_again(100)
        await grow(producer, 20)
        await check(producer, kitchens)
        assert all(before and before <= _live_links(master) for before, master in zip(links, others, strict=True))
        async with welcomed(node.ws, "/ws/waiter", staff_token(user="late", branches=(hit,))):
            pass
    restored = json.dumps({"type": "ROUND_READY", "tenant_id": 1, "branch_id": hit, "best": "effort"})
    async with recorder(node.ws, hit) as kitchen, AsyncPublisher.from_url(cluster.url) as publisher:
        async with asyncio.timeout(30):
            while json.loads(restored) not in kitchen.others:
                await publisher.publish(f"branch:{hit}:kitchen", restored)
                await asyncio.sleep(0.1)


async def test_the_node_that_pubsub_is_on_dies_and_another_is_chosen(cluster: ValkeyCluster) -> None:
    for master in list(cluster.masters):
        await asyncio.to_thread(cluster.add_replica, master)
    with run_gateway(cluster.url, breaker_open=1.0) as node:
        async with recorder(node.ws) as kitchen, AsyncPublisher.from_url(cluster.url) as publisher:
            listened = next(master for master in cluster.masters if _subscriptions(master, "branch:5:kitchen"))
            listened.kill()
            event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "after": "the fall"}
            async with asyncio.timeout(40):
                while event not in kitchen.others:
                    try:
                        await publisher.publish("branch:5:kitchen", event)
                    except Exception:  # noqa: BLE001 - the publisher's own node may be the dead one
                        await asyncio.sleep(0.1)
                    await asyncio.sleep(0.1)


def _live_links(server: ValkeyServer) -> set[str]:
    """The connections that are subscribed to live channels."""
    with server.admin() as admin:
        return {client["id"] for client in admin.client_list() if client["ssub"] != "0"}


def _subscriptions(server: ValkeyServer, channel: str) -> int:
    with server.admin() as admin:
        [(_, count)] = admin.pubsub_numsub(channel)
    return int(count)


async def test_both_publishers_take_a_cluster_s_url(cluster: ValkeyCluster) -> None:
    event = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
    blocking = await asyncio.to_thread(Publisher.from_url, cluster.url)
    with blocking:
        async with AsyncPublisher.from_url(cluster.url) as publisher:
            first = await publisher.emit(event, key="one")
            assert await asyncio.to_thread(blocking.emit, event, "one") == first
            second = await asyncio.to_thread(blocking.emit, event)
            assert second != first
            assert await asyncio.to_thread(blocking.publish, "branch:5:kitchen", event) == 0
    with cluster.owner(SOURCE).admin() as admin:
        assert [number for number, _ in admin.xrange(SOURCE)] == [first, second]
        assert 86_000 < admin.ttl("{events:critical}:seen:one") <= 86_400
