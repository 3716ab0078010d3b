"""A replica takes Valkey's place that does not have all of it."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from pathlib import Path

from redis.asyncio import Redis

from gateway.client.emission import SEEN_SECONDS, idempotency_key
from gateway.protocol.keys import SOURCE
from gateway.protocol.positions import parse_id
from tests.faults.budget import Budget
from tests.faults.ledger import Sent
from tests.faults.replica import replica_of
from tests.faults.world import AOF, World, open_world

TAIL_SECONDS = 2.0

EMIT_AT = """
local seen = redis.call('GET', KEYS[2])
if seen then return seen end
local id = redis.call('XADD', KEYS[1], ARGV[3], 'event', ARGV[1])
redis.call('SET', KEYS[2], id, 'EX', ARGV[2])
return id
"""
"""As the publisher's, with the id that the server's clock would give."""


async def fail_over(world: World, stack: AsyncExitStack) -> list[str]:
    """Promote a replica that lacks the tail; the source ids of what is lost, in order."""
    replica = await stack.enter_async_context(replica_of(world.valkey, AOF))
    await asyncio.sleep(0.5)
    replica.link.half_open()
    await asyncio.sleep(TAIL_SECONDS)
    world.valkey.kill()
    await replica.promote()
    async with Redis.from_url(replica.server.url) as redis:
        last = (await redis.xinfo_stream(SOURCE))["last-generated-id"].decode()
    world.move_to(replica.server)
    ids = [sent.entry_id for sent in world.ledger.accepted(critical=True) if sent.entry_id]
    return sorted((entry_id for entry_id in ids if parse_id(entry_id) > parse_id(last)), key=parse_id)


async def test_it_lacks_the_tail(tmp_path: Path, budget: Budget) -> None:
    async with AsyncExitStack() as stack, open_world(tmp_path) as world:

        async def fault() -> None:
            lost = await fail_over(world, stack)
            assert lost, "the replica had everything, so nothing was tested"

        await world.survive(fault)
        report = await world.report()
    assert report.gaps, "whoever stood in the tail was told"
    budget.enter("failover-without-tail", report)


async def test_its_clock_is_behind(tmp_path: Path, budget: Budget) -> None:
    async with AsyncExitStack() as stack, open_world(tmp_path) as world:

        async def fault() -> None:
            ids = deque(await fail_over(world, stack))
            assert ids, "the replica had everything, so no id is given out again"
            given: list[str] = []

            async def emit(sent: Sent, key: str) -> str:
                if not ids:
                    return await world.producers.emit_by_publisher(sent, key)
                given.append(ids.popleft())
                keys = [SOURCE, idempotency_key(key)]
                async with Redis.from_url(world.valkey.url) as redis:
                    answer = await redis.eval(EMIT_AT, 2, *keys, sent.payload, str(SEEN_SECONDS), given[-1])
                return str(answer.decode())

            world.producers.emit = emit
            while ids:
                await asyncio.sleep(0.05)

        await world.survive(fault)
        report = await world.report()
    assert report.gaps
    budget.enter("failover-clock-back", report)
