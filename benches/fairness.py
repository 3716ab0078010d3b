"""`python -m benches.fairness`: what a noisy tenant costs a quiet one.

A gateway as `gateway serve` runs it, with `GATEWAY_EVENT_RATE_PER_TENANT` as each tenant's share. A quiet tenant
publishes a few events a second; a noisy one publishes its share in one half of each round, and ten times that in the
other. What is compared is the quiet tenant's latency from publish to receipt, of which the p99 may grow by a quarter.
The same is done without a share, where all ten times are delivered: then it is the turns that tenants take which count.

Redis, the noisy tenant's clients and its producer are processes of their own; the quiet tenant's are in this one. The
noisy clients are the load bench's, in Rust: in life they are on other machines, and must not take the cores away.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import multiprocessing.sharedctypes
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Annotated, NamedTuple

import httpx
import typer
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect

from benches.load.binaries import Binaries
from benches.load.client import LoadClient
from gateway.auth.jwt import issue_staff_token
from gateway.broker.embedded import EmbeddedServer
from gateway.broker.server_process import free_port
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock

QUIET, NOISY = 1, 2
QUIET_RATE = 50
TICK = 0.02
AIM = 1.25
"""The ratio of the issue: the p99 beside ten times the share, to that beside the share itself."""

_spawn = multiprocessing.get_context("spawn")


class Numbers(NamedTuple):
    """How large a run is. `share` in events a second; `seconds` of each half of a round."""

    share: int
    times: int
    noisy_clients: int
    quiet_clients: int
    rounds: int
    seconds: float


FULL = Numbers(share=300, times=10, noisy_clients=30, quiet_clients=10, rounds=7, seconds=4)
QUICK = Numbers(share=100, times=10, noisy_clients=4, quiet_clients=2, rounds=1, seconds=0.5)


class Latencies(NamedTuple):
    """Seconds from publish to receipt of the quiet tenant's events, and how many noisy ones were dropped."""

    beside_share: list[float]
    beside_flood: list[float]
    dropped: int


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


async def measure(binaries: Binaries, numbers: Numbers, redis_url: str, *, limited: bool) -> Latencies:
    """One gateway, all rounds; each half's latencies together.

    Raises:
        AssertionError: an event of the quiet tenant was lost, or came out of order.
    """
    with (
        _gateway(redis_url, numbers.share if limited else 0) as port,
        _listeners(binaries, port, numbers),
        _noise(redis_url) as noise,
    ):
        async with AsyncExitStack() as stack:
            redis = await stack.enter_async_context(Redis.from_url(redis_url))
            clients = [
                await stack.enter_async_context(
                    connect(f"ws://127.0.0.1:{port}{_path(QUIET, number)}", compression=None)
                )
                for number in range(numbers.quiet_clients)
            ]
            for client in clients:
                assert json.loads(await client.recv())["type"] == "welcome"
            halves: tuple[list[float], list[float]] = ([], [])
            for round_ in range(numbers.rounds):
                # Turn and turn about, so that neither half has the warmer machine.
                for half in (0, 1) if round_ % 2 == 0 else (1, 0):
                    noise.value = numbers.share * (numbers.times if half else 1)
                    await asyncio.sleep(min(1.0, numbers.seconds))  # the noisy tenant's burst has passed
                    halves[half].extend(await _quiet_half(redis, clients, numbers.seconds))
            noise.value = 0
        return Latencies(*halves, dropped=_dropped(port))


async def _quiet_half(redis: Redis, clients: list[ClientConnection], seconds: float) -> list[float]:
    count = max(1, round(seconds * QUIET_RATE))

    async def listen(client: ClientConnection) -> list[float]:
        latencies = []
        for number in range(count):
            async with asyncio.timeout(30):
                event = json.loads(await client.recv())
            assert event["number"] == number, f"expected event {number}, got {event['number']}"
            latencies.append(time.monotonic() - event["sent"])
        return latencies

    listening = [asyncio.create_task(listen(client)) for client in clients]
    begun = time.monotonic()
    for number in range(count):
        await asyncio.sleep(max(0.0, begun + number / QUIET_RATE - time.monotonic()))
        await redis.publish("branch:5:admin", _event(QUIET, number))
    return [latency for latencies in await asyncio.gather(*listening) for latency in latencies]


def _event(tenant: int, number: int) -> str:
    return json.dumps(
        {
            "type": "ENTITY_UPDATED",
            "tenant_id": tenant,
            "branch_id": 5,
            "number": number,
            "sent": time.monotonic(),
            "pad": "x" * 200,
        }
    )


def _path(tenant: int, number: int) -> str:
    token = issue_staff_token(
        DEVELOPMENT_SECRET,
        tenant=tenant,
        user=f"fair-{number}",
        branches=[5],
        roles=["ADMIN"],
        sectors=[],
        expires_in=3_600,
        clock=SystemClock(),
    )
    return f"/ws/admin?token={token}"


@contextmanager
def _gateway(redis_url: str, share: int) -> Iterator[int]:
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--port", str(port), "--redis-url", redis_url],
        env={**environment, "GATEWAY_EVENT_RATE_PER_TENANT": str(share), "GATEWAY_DRAIN_SECONDS": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/ws/health/detailed", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _dropped(port: int) -> int:
    scrape = httpx.get(f"http://127.0.0.1:{port}/ws/metrics", timeout=10).text
    return int(
        sum(
            sample.value
            for family in text_string_to_metric_families(scrape)
            for sample in family.samples
            if sample.name == "gateway_events_dropped_total" and sample.labels["reason"] == "tenant_rate"
        )
    )


# --- the noisy tenant, in processes of its own -----------------------------------------------------------------------


@contextmanager
def _listeners(binaries: Binaries, port: int, numbers: Numbers) -> Iterator[None]:
    """Its clients. They take the events for none of the load bench's own, and read them all the same."""
    paths = [_path(NOISY, number) for number in range(numbers.noisy_clients)]
    with LoadClient(binaries, port, paths, numbers.noisy_clients, size=256) as clients:
        clients.joined()
        yield
        assert clients.taken()["malformed"] > 0, "the noisy tenant's clients got nothing"


@contextmanager
def _noise(redis_url: str) -> Iterator[multiprocessing.sharedctypes.Synchronized[int]]:
    """Its producer; what is yielded sets its events a second."""
    rate = _spawn.Value("i", 0)
    process = _spawn.Process(target=_publish_all, args=(redis_url, rate), daemon=True)
    process.start()
    try:
        yield rate
    finally:
        process.terminate()
        process.join(10)


def _publish_all(redis_url: str, rate: multiprocessing.sharedctypes.Synchronized[int]) -> None:
    redis = SyncRedis.from_url(redis_url)
    number, owed, last = 0, 0.0, time.monotonic()
    while True:
        time.sleep(TICK)
        now = time.monotonic()
        owed, last = min(owed + (now - last) * rate.value, float(rate.value)), now
        pipeline = redis.pipeline(transaction=False)
        while owed >= 1:
            pipeline.publish("branch:5:admin", _event(NOISY, number))
            number, owed = number + 1, owed - 1
        pipeline.execute()


# --- the report ------------------------------------------------------------------------------------------------------


def report(numbers: Numbers, limited: Latencies, unlimited: Latencies) -> str:
    """A table with the ratios."""
    title = (
        f"quiet tenant's p99, {QUIET_RATE} events/s to {numbers.quiet_clients} clients, beside a noisy tenant with "
        f"{numbers.noisy_clients} clients; share {numbers.share} events/s; {numbers.rounds} rounds"
    )
    lines = [
        title,
        "",
        "| GATEWAY_EVENT_RATE_PER_TENANT | noisy at its share | noisy at ten times | ratio | noisy events dropped |",
        "|---|---|---|---|---|",
    ]
    for name, found in ((str(numbers.share), limited), ("0 (unlimited)", unlimited)):
        low, high = p99(found.beside_share), p99(found.beside_flood)
        lines.append(f"| {name} | {low * 1e3:.2f} ms | {high * 1e3:.2f} ms | {high / low:.2f} | {found.dropped} |")
    return "\n".join(lines) + "\n"


async def both(numbers: Numbers) -> tuple[Latencies, Latencies]:
    """With the share as a limit, and without."""
    binaries = Binaries.build()
    with EmbeddedServer.running() as redis_url:
        return (
            await measure(binaries, numbers, redis_url, limited=True),
            await measure(binaries, numbers, redis_url, limited=False),
        )


def main(
    *, quick: Annotated[bool, typer.Option("--quick", help="A few events, for a look at the bench itself.")] = False
) -> None:
    """Measure, print, and end with 1 when the aim is missed. Takes two minutes."""
    numbers = QUICK if quick else FULL
    limited, unlimited = asyncio.run(both(numbers))
    print(report(numbers, limited, unlimited), end="")
    if not quick and any(p99(found.beside_flood) > AIM * p99(found.beside_share) for found in (limited, unlimited)):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
