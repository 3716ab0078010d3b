"""A link to Redis that is cut for a moment keeps newcomers out for a moment, however long a breaker may be open."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults.proxy import Proxy, proxy_to
from tests.support.clients import client, welcomed
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer, run_valkey

CUT_SECONDS = 2.0
BACK_SECONDS = 10.0
"""Until somebody is let in again: 3 s by the breaker's own numbers, the rest is for a busy machine. A breaker may be
open for 30 s, as by default."""


@pytest.fixture
def server() -> Iterator[ValkeyServer]:
    with run_valkey() as server:
        yield server


@asynccontextmanager
async def behind_a_proxy(server: ValkeyServer) -> AsyncIterator[tuple[Proxy, RunningGateway]]:
    """A gateway and its way to Redis, which passes data on this loop: so neither start nor stop may block it."""
    async with proxy_to(server.port) as proxy:
        with_proxy = server.url.replace(f":{server.port}/", f":{proxy.port}/")
        stack = ExitStack()
        try:
            yield proxy, await asyncio.to_thread(stack.enter_context, run_gateway(with_proxy))
        finally:
            proxy.mend()
            await asyncio.to_thread(stack.close)


async def let_in(node: RunningGateway, user: str) -> bool:
    """Whether somebody who comes now is let in."""
    async with client(node.ws, "/ws/waiter", staff_token(user=user)) as peer:
        try:
            return (await peer.json())["type"] == "welcome"
        except ConnectionClosed:
            return False


async def seconds_until_let_in(node: RunningGateway, users: Iterator[str]) -> float:
    """From now on, with a newcomer every tenth of a second or so."""
    began = time.monotonic()
    while not await let_in(node, next(users)):
        await asyncio.sleep(0.1)
    return time.monotonic() - began


def breaker(node: RunningGateway) -> float | None:
    """Of commands: 0 closed, 1 half-open, 2 open."""
    return node.gateway.metrics.registry.get_sample_value("gateway_breaker_state", {"duty": "commands"})


async def cut_for_a_moment(proxy: Proxy, node: RunningGateway, users: Iterator[str]) -> None:
    """Cut it while newcomers try, and mend it; nobody is let in meanwhile, and the breaker opens."""
    opened = False
    proxy.cut()
    end = time.monotonic() + CUT_SECONDS
    while time.monotonic() < end:
        assert not await let_in(node, next(users))
        opened = opened or breaker(node) == 2
        await asyncio.sleep(0.05)
    assert opened, "or the cut was no trial of the breaker"
    proxy.mend()


@pytest.mark.timeout(90)
async def test_after_a_cut_of_two_seconds_somebody_is_let_in_within_seconds(server: ValkeyServer) -> None:
    users = (f"user-{number}" for number in itertools.count())
    async with behind_a_proxy(server) as (proxy, node), welcomed(node.ws, "/ws/kitchen", staff_token("KITCHEN")):
        for _ in range(2):  # a breaker that has closed begins with short times again
            await cut_for_a_moment(proxy, node, users)
            assert await seconds_until_let_in(node, users) < BACK_SECONDS
            async with asyncio.timeout(BACK_SECONDS):
                while breaker(node):
                    await asyncio.sleep(0.1)  # the node's beats are trials as good as joins are
