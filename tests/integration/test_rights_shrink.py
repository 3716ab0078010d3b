"""Rights that shrink without a reconnect, with a writer that publishes all the while, on both kinds of socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.support.clients import Client, welcomed
from tests.support.gateway import RunningGateway
from tests.support.tokens import staff_token


@asynccontextmanager
async def writing(redis: Redis, *events: tuple[str, dict[str, object]]) -> AsyncIterator[None]:
    """Publish these over and over, numbered."""

    async def write() -> None:
        number = 0
        while True:
            pipeline = redis.pipeline(transaction=False)
            for channel, event in events:
                pipeline.publish(channel, json.dumps({**event, "n": number}))
            await pipeline.execute()
            number += 1
            await asyncio.sleep(0.002)

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard_after(peer: Client, answer: str, of: str, events: int = 50) -> list[dict[str, object]]:
    """Read up to the answer, and then until so many events have come whose member `kind` is `of`; what came behind."""
    while (await peer.json())["type"] != answer:
        pass
    heard: list[dict[str, object]] = []
    while sum(event["kind"] == of for event in heard) < events:
        heard.append(await peer.json())
    return heard


def ready(tenant: int, branch: int = 5, **members: object) -> dict[str, object]:
    return {"type": "ROUND_READY", "tenant_id": tenant, "branch_id": branch, **members}


async def by_message(peer: Client, _redis: Redis, _tenant: int) -> None:
    await peer.send({"type": "refresh_sectors"})


async def by_announcement(_peer: Client, redis: Redis, tenant: int) -> None:
    await redis.publish("auth:sectors", json.dumps({"tenant_id": tenant, "user_id": "mover"}))


@pytest.mark.parametrize("ask", [by_message, by_announcement])
async def test_nothing_of_a_lost_sector_arrives_behind_the_answer(
    ask: Callable[[Client, Redis, int], Awaitable[None]], gateway: RunningGateway, redis: Redis
) -> None:
    tenant = 81 if ask is by_message else 82
    key = f"{{tenant:{tenant}}}:sectors:user:mover"
    await redis.delete(key)
    await redis.sadd(key, "31", "32")
    token = staff_token(tenant=tenant, user="mover", sectors=None)
    other = staff_token(tenant=tenant, user="stayer", sectors=(31,))
    async with (
        welcomed(gateway.ws, "/ws/waiter", token) as peer,
        # Read by nobody for a while: without a bound, so that it is not slow to close.
        welcomed(gateway.ws, "/ws/waiter", other, max_queue=None) as witness,
        writing(
            redis,
            ("branch:5:waiters", ready(tenant, sector_id=31, kind="lost")),
            ("sector:31:waiters", ready(tenant, sector_id=31, kind="lost")),
            ("sector:33:waiters", ready(tenant, sector_id=33, kind="new")),
        ),
    ):
        while (await peer.json())["kind"] != "lost":
            pass
        await redis.srem(key, "31")
        await redis.sadd(key, "33")
        await ask(peer, redis, tenant)
        heard = await heard_after(peer, "sectors_updated", "new")
        assert {event["kind"] for event in heard} == {"new"}
        while (await witness.json())["kind"] != "lost":
            pass
    await redis.delete(key)


async def test_nothing_of_a_lost_branch_arrives_behind_a_refreshed_token(gateway: RunningGateway, redis: Redis) -> None:
    tenant = 83
    async with (
        welcomed(
            gateway.ws, "/ws/kitchen", staff_token("KITCHEN", tenant=tenant, branches=(5, 6)), max_queue=None
        ) as peer,
        writing(
            redis,
            ("branch:5:kitchen", ready(tenant, 5, kind="lost")),
            ("branch:6:kitchen", ready(tenant, 6, kind="kept")),
        ),
    ):
        await peer.json()
        await peer.send({"type": "refresh_token", "token": staff_token("KITCHEN", tenant=tenant, branches=(6,))})
        heard = await heard_after(peer, "token_refreshed", "kept")
        assert {event["kind"] for event in heard} == {"kept"}
        numbers = [event["n"] for event in heard]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "what is kept goes on without a gap"  # type: ignore[arg-type,operator]


async def test_nothing_for_the_admin_arrives_when_the_new_token_is_a_cooks(
    gateway: RunningGateway, redis: Redis
) -> None:
    tenant = 84
    async with (
        welcomed(gateway.ws, "/ws/kitchen", staff_token(["KITCHEN", "ADMIN"], tenant=tenant)) as peer,
        writing(
            redis,
            ("branch:5:admin", {**ready(tenant), "type": "ENTITY_UPDATED", "kind": "lost"}),
            ("branch:5:kitchen", ready(tenant, kind="kept")),
        ),
    ):
        while (await peer.json())["kind"] != "lost":
            pass
        await peer.send({"type": "refresh_token", "token": staff_token("KITCHEN", tenant=tenant)})
        heard = await heard_after(peer, "token_refreshed", "kept")
        assert {event["kind"] for event in heard} == {"kept"}
