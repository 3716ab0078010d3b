"""Everything that a fault happens to: Valkey, a link and a node twice, a crowd, and back ends that never rest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from gateway.protocol.keys import DLQ, GROUP, SOURCE, history_key
from gateway.types import Room
from tests.faults.counters import Counters
from tests.faults.guest import Guest
from tests.faults.ledger import Ledger
from tests.faults.node import GATEWAY, Node
from tests.faults.producers import Producers
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.recovery import recovered_at
from tests.faults.report import Report, report_of
from tests.faults.scale import SCALE
from tests.faults.seat import BRANCHES, TENANT, Seat, seats
from tests.support.valkey import ValkeyServer, run_valkey

AOF = {"appendonly": "yes", "appendfsync": "always"}
"""A Valkey that has on disk what it has said yes to."""

RECOVERY_SECONDS = 90.0
SETTLE_SECONDS = 40.0
"""From the last event until every client has it or knows of it. Cursors are compared with heads every 8 to 12 s."""


@dataclass
class World:
    """For one event loop. `open_world` makes it; a test does its fault to the parts, and asks for `report` at the end.

    Attributes:
        valkey: the server that back ends write to.
        links: between each node and Valkey, by the node's name.
        nodes: by name, `a` and `b`.
        guests: the clients; those of each node call it home.
        producers: see there; `ledger` is theirs.
        expected_letters: source ids that belong into the dead-letter queue.
        letters_may_repeat: whether an entry may stand there twice.
        quiet: whether nodes must not have logged any error.
    """

    valkey: ValkeyServer
    links: dict[str, Proxy]
    nodes: dict[str, Node]
    guests: list[Guest]
    producers: Producers
    ledger: Ledger
    expected_letters: set[str] = field(default_factory=set)
    letters_may_repeat: bool = False
    quiet: bool = True
    _recovery: float = 0.0

    # --- faults, and what comes after ---------------------------------------------------------------------------

    async def survive(self, fault: Callable[[], Awaitable[None]], rounds: int = SCALE.rounds) -> None:
        """Let a fault happen again and again, each time among ordinary traffic, and wait until all is well.

        The fault is over when `fault` returns; a fault that does not end, like a killed node, begins there.
        """
        for _ in range(rounds):
            await asyncio.sleep(SCALE.calm)
            await fault()
            await self.recovered(asyncio.get_running_loop().time())
        await asyncio.sleep(SCALE.calm)

    async def recovered(self, since: float) -> None:
        """Wait until every client has heard an event that was offered after `since`, and note how long it took."""
        logs = [guest.log for guest in self.guests]
        deadline = time.monotonic() + RECOVERY_SECONDS
        while (at := recovered_at(logs, self.ledger.lines, since)) is None:
            assert time.monotonic() < deadline, f"no event was heard by all within {RECOVERY_SECONDS:g} s"
            await asyncio.sleep(0.1)
        self._recovery = max(self._recovery, at - since)

    async def relay(self) -> Node:
        """The node that is the active relay; waits until there is one."""
        async with asyncio.timeout(RECOVERY_SECONDS):
            while True:
                for node in self.nodes.values():
                    if node.alive and await node.is_relay():
                        return node
                await asyncio.sleep(0.05)

    def move_to(self, server: ValkeyServer) -> None:
        """Lead nodes and back ends to another server, as an address does that moves after a failover."""
        self.valkey = server
        for link in self.links.values():
            link.target = server.port
            link.sever()
        self.producers.go_to(server.url)

    def other(self, node: Node) -> Node:
        """The one that is not this one."""
        return next(other for other in self.nodes.values() if other is not node)

    # --- the end ------------------------------------------------------------------------------------------------

    async def report(self) -> Report:
        """Stop the back ends, wait until everything has settled, and judge; fails if anything was lost in silence."""
        await self.producers.stop()
        async with self.redis() as redis, asyncio.timeout(RECOVERY_SECONDS):
            while not await _relayed(redis):
                await asyncio.sleep(0.05)
            letters = await _letters(redis)
        report = await self._settled()
        report.recovery = self._recovery
        if set(letters) != self.expected_letters or not (self.letters_may_repeat or len(letters) == len(set(letters))):
            report.wrong.append(f"dead letters: {letters}, expected {sorted(self.expected_letters)}")
        if self.quiet:
            report.wrong += [f"node {name}: {line}" for name, node in self.nodes.items() for line in node.errors()]
        assert report.clean, "\n".join(report.wrong)
        return report

    async def _settled(self) -> Report:
        logs = [guest.log for guest in self.guests]
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            counters = await self.counters()
            report = report_of(logs, self.ledger, counters)
            if report.clean or time.monotonic() > deadline:
                return report
            await asyncio.sleep(0.5)

    async def counters(self) -> dict[str, Counters]:
        """What each node has counted."""
        names = list(self.nodes)
        found = await asyncio.gather(*(self.nodes[name].counters() for name in names))
        return dict(zip(names, found, strict=True))

    async def add_bad_entry(self, fields: dict[Any, Any]) -> None:
        """Put something into the source that must end in the dead-letter queue."""
        async with self.redis() as redis:
            entry_id: Any = await redis.xadd(SOURCE, fields)
        self.expected_letters.add(entry_id.decode())

    async def expire_histories(self) -> None:
        """As if the time to live of all histories were over."""
        async with self.redis() as redis:
            for branch in BRANCHES:
                # At once: a time to live, however short, would be renewed by an event that comes meanwhile.
                await redis.pexpire(history_key(Room(TENANT, branch)), 0)

    @asynccontextmanager
    async def redis(self) -> AsyncIterator[Redis]:
        """A plain connection to Valkey."""
        async with Redis.from_url(self.valkey.url, socket_timeout=10) as connection:
            yield connection


@asynccontextmanager
async def open_world(
    folder: Path,
    *,
    valkey: Mapping[str, str] = AOF,
    module: Sequence[str] = GATEWAY,
    places: Callable[[str], list[Seat]] = seats,
    every: float = SCALE.every,
    **settings: str,
) -> AsyncIterator[World]:
    """Start everything, in the order that makes `a` the active relay, and let it run.

    Args:
        folder: for logs.
        valkey: lines of its configuration.
        module: what the nodes run.
        places: the clients of a node, by its name.
        every: seconds between two events of one producer.
        settings: `GATEWAY_…` variables of the nodes.
    """
    async with AsyncExitStack() as stack:
        server = stack.enter_context(run_valkey(dict(valkey)))
        links = {name: await stack.enter_async_context(proxy_to(server.port)) for name in "ab"}
        nodes = {
            name: Node(name, folder / name, _through(server, link), {**dict(SCALE.settings), **settings}, module)
            for name, link in links.items()
        }
        for node in nodes.values():
            stack.push_async_callback(_end, node)
            node.launch()
        await asyncio.gather(*(node.ready() for node in nodes.values()))
        ordered = list(nodes.values())
        guests = [
            Guest(seat, (node, *(other for other in ordered if other is not node)))
            for node in ordered
            for seat in places(node.name)
        ]
        for guest in guests:
            guest.start()
            stack.push_async_callback(guest.stop)
        async with asyncio.timeout(30):
            for guest in guests:
                await guest.joined.wait()
        ledger = Ledger()
        producers = Producers(ledger, server.url, every=every)
        world = World(server, links, nodes, guests, producers, ledger)
        await world.relay()
        await producers.start()
        stack.push_async_callback(producers.abort)
        yield world


def _through(server: ValkeyServer, link: Proxy) -> str:
    return server.url.replace(f":{server.port}/", f":{link.port}/")


async def _end(node: Node) -> None:
    if node.alive:
        await node.kill()


async def _letters(redis: Redis) -> list[str]:
    """The source ids in the dead-letter queue."""
    entries: Any = await redis.xrange(DLQ)
    return [fields[b"id"].decode() for _, fields in entries]


async def _relayed(redis: Redis) -> bool:
    """Whether nothing waits in the source, and nothing is pending."""
    groups = await redis.xinfo_groups(SOURCE)
    group = next((group for group in groups if group["name"] == GROUP.encode()), None)
    newest = await redis.xrevrange(SOURCE, count=1)
    return group is not None and group["pending"] == 0 and (not newest or newest[0][0] == group["last-delivered-id"])
