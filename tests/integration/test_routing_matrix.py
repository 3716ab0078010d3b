"""Every row of the routing table on every channel, to a full cast of two tenants: each hears its own, nobody else's."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest

from gateway.protocol.routing import RoutingTable
from tests.integration.conftest import Producer
from tests.support.clients import Client, welcomed
from tests.support.gateway import RunningGateway
from tests.support.routing_oracle import ROUTES, audience_on_channel
from tests.support.tokens import staff_token, table_token

TENANTS = (1, 2)


class Member(NamedTuple):
    """Somebody of the cast: where they connect, with what, and which audiences that puts them in."""

    path: str
    token: dict[str, Any]
    audiences: frozenset[str]


def staff(path: str, role: str, branch: int, *audiences: str, sectors: tuple[int, ...] = ()) -> Member:
    return Member(path, {"role": role, "branches": (branch,), "sectors": sectors}, frozenset(audiences))


def diner(branch: int, session: int) -> Member:
    return Member("/ws/diner", {"branch": branch, "session": session}, frozenset({f"session:{session}"}))


WAITERS, KITCHEN, ADMIN = "branch:5:waiters", "branch:5:kitchen", "branch:5:admin"
CAST = {
    "waiter of sector 9": staff("/ws/waiter", "WAITER", 5, WAITERS, "sector:9:waiters", sectors=(9,)),
    "waiter of sector 8": staff("/ws/waiter", "WAITER", 5, WAITERS, "sector:8:waiters", sectors=(8,)),
    "waiter without a sector": staff("/ws/waiter", "WAITER", 5, WAITERS),
    "waiter of branch 6": staff("/ws/waiter", "WAITER", 6, "branch:6:waiters", "sector:7:waiters", sectors=(7,)),
    "kitchen": staff("/ws/kitchen", "KITCHEN", 5, KITCHEN),
    "kitchen of branch 6": staff("/ws/kitchen", "KITCHEN", 6, "branch:6:kitchen"),
    "admin": staff("/ws/admin", "ADMIN", 5, ADMIN),
    "admin of branch 6": staff("/ws/admin", "ADMIN", 6, "branch:6:admin"),
    "manager among waiters": staff("/ws/waiter", "MANAGER", 5, WAITERS, ADMIN),
    "manager in the kitchen": staff("/ws/kitchen", "MANAGER", 5, KITCHEN, ADMIN),
    "diner of session 77": diner(5, 77),
    "diner of session 78": diner(5, 78),
}
CHANNELS = (WAITERS, KITCHEN, ADMIN, "sector:9:waiters", "session:77")

# A fence is an event that its reader is certain to get, published behind the others: what came before it is all.
FENCES = {
    "/ws/waiter": ("ROUND_PENDING", "branch:{branch}:waiters"),
    "/ws/kitchen": ("ROUND_SUBMITTED", "branch:{branch}:kitchen"),
    "/ws/admin": ("ENTITY_CREATED", "branch:{branch}:admin"),
    "/ws/diner": ("CART_SYNC", "session:{session}"),
}


def events_of(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """An event of a type on each channel, with and without its optional ids, for the first tenant."""
    events = []
    for channel in CHANNELS:
        for ids in ({}, {"session_id": 77}, {"sector_id": 9}, {"session_id": 77, "sector_id": 9}, {"sector_id": 8}):
            event = {"type": kind, "tenant_id": TENANTS[0], "branch_id": 5, **ids, "n": len(events)}
            events.append((channel, event))
    return events


async def publish_fence(producer: Producer, member: Member, tenant: int, name: str) -> None:
    kind, channel = FENCES[member.path]
    branch = member.token["branches"][0] if "branches" in member.token else member.token["branch"]
    session = member.token.get("session")
    ids = {} if session is None else {"session_id": session}
    event = {"type": kind, "tenant_id": tenant, "branch_id": branch, **ids, "fence": name}
    assert await producer.publish(channel.format(branch=branch, session=session), event) == 1


async def connect_cast(stack: AsyncExitStack, url: str) -> dict[tuple[int, str], Client]:
    async def join(tenant: int, number: int, member: Member) -> Client:
        if member.path == "/ws/diner":
            token = table_token(tenant=tenant, **member.token)
        else:
            token = staff_token(tenant=tenant, user=f"user-{number}", **member.token)
        return await stack.enter_async_context(welcomed(url, member.path, token))

    return {
        (tenant, name): await join(tenant, number, member)
        for tenant in TENANTS
        for number, (name, member) in enumerate(CAST.items())
    }


@pytest.mark.parametrize("kind", sorted(RoutingTable().rules))
async def test_an_event_reaches_exactly_the_audience_that_its_row_gives(
    kind: str, gateway: RunningGateway, producer: Producer
) -> None:
    events = events_of(kind)
    async with AsyncExitStack() as stack:
        cast = await connect_cast(stack, gateway.ws)
        for channel, event in events:
            await producer.publish(channel, event)
        for tenant, name in cast:
            # A fence of one member may be heard by others of its audience: it is named for its reader.
            await publish_fence(producer, CAST[name], tenant, f"{tenant} {name}")
        heard = await asyncio.gather(*(peer.until(f"{who[0]} {who[1]}") for who, peer in cast.items()))

    for (tenant, name), texts in zip(cast, heard, strict=True):
        got = [message["n"] for message in map(json.loads, texts) if "fence" not in message]
        entitled = CAST[name].audiences if tenant == TENANTS[0] else frozenset()
        expected = [event["n"] for channel, event in events if audience_on_channel(channel, event) in entitled]
        assert got == expected, f"{name} of tenant {tenant}"


def test_the_matrix_covers_the_whole_table() -> None:
    assert set(ROUTES) == set(RoutingTable().rules)
    delivered = {
        (kind, audience)
        for kind in ROUTES
        for channel, event in events_of(kind)
        if (audience := audience_on_channel(channel, event)) is not None
    }
    reached = {audience for member in CAST.values() for audience in member.audiences}
    # Each row is seen to deliver somewhere, and each audience of the first tenant's branch 5 gets something.
    assert {kind for kind, _ in delivered} == set(ROUTES)
    assert {audience for _, audience in delivered} <= reached
