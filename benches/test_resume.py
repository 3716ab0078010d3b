"""A node's death: a thousand clients come back to another one at once, each of which has missed a hundred events.

What is timed is the handing over, from a real Valkey, with as many at a time as a node admits: `SharedReads` as it is,
against one read for each client. Each case checks that everybody gets everything, in order, before it is timed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from gateway.broker.embedded import EmbeddedServer
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_history import RedisHistory
from gateway.broker.streams_base import RelayEntry, RoomBatch
from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, Membership, PageEntry
from gateway.ingest.replay import Replay
from gateway.ingest.resume_base import ResumeOutcome
from gateway.ingest.resume_plan import Leg
from gateway.ingest.resumes import PLACES
from gateway.ingest.shared_reads import SharedReads
from gateway.protocol.position_rule import HistoryPage
from gateway.protocol.positions import Position, position_of
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import ConnectionId, Room, SystemClock

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

ROOM = Room(1, 5)
AUDIENCE = "branch:5:kitchen"
CLIENTS = 1_000
MISSED = 100
EVENTS = [  # the first of them is the one that all have got
    (f"{number + 1}-0", b'{"number":%d,"pad":"%s"}' % (number, b"x" * 220)) for number in range(MISSED + 1)
]


class LoneReads(SharedReads):
    """One read for each client: none gets the answer of another's."""

    async def after(self, room: Room, position: Position, limit: int, *, anew: bool = False) -> HistoryPage:  # noqa: ARG002 - always
        return await super().after(room, position, limit, anew=True)


class TakingFanout:
    """Keeps `ResumeFanout`; every client takes its page at once, and remembers the payloads."""

    def __init__(self) -> None:
        self.taken: dict[ConnectionId, list[bytes]] = {}
        self.replays: dict[ConnectionId, Replay] = {}

    def info(self, connection: ConnectionId) -> ConnectionInfo:
        return ConnectionInfo(connection, ConnectionIdentity(ROOM.tenant), (Membership(ROOM, (AUDIENCE,)),))

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool:
        self.taken.setdefault(connection, []).extend(entry.payload for entry in entries)
        if not last:
            asyncio.get_running_loop().call_soon(self.replays[connection].on_taken)
        return True

    def close(self, connection: ConnectionId, code: int) -> bool:
        raise AssertionError(f"connection {connection} was closed with {code}")


async def come_back(history: RedisHistory, kind: type[SharedReads]) -> dict[ConnectionId, list[bytes]]:
    """All of them at once; what each was given."""
    reads, fanout, places = kind(history), TakingFanout(), asyncio.Semaphore(PLACES)
    target = position_of(*EVENTS[-1])

    async def one(connection: ConnectionId) -> None:
        async with places:
            leg = Leg(ROOM, (), position_of(*EVENTS[0]), target, ResumeOutcome.HISTORY)
            fanout.replays[connection] = Replay(connection, [leg], reads, fanout, asyncio.sleep)
            await fanout.replays[connection].run()

    async with asyncio.TaskGroup() as group:
        for number in range(1, CLIENTS + 1):
            group.create_task(one(ConnectionId(number)))
    return fanout.taken


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def history(runner: asyncio.Runner) -> Iterator[RedisHistory]:
    with EmbeddedServer.running() as url:
        commands = RedisCommands(url, CircuitBreaker("commands", SystemClock()))
        history = RedisHistory(commands)
        entries = [RelayEntry(number, (AUDIENCE,), payload) for number, payload in EVENTS]
        [written] = runner.run(history.relay([RoomBatch(ROOM, entries)], fence=1, refeed=False))
        assert written.added == len(EVENTS)
        yield history
        runner.run(commands.close())


@pytest.mark.parametrize("kind", [SharedReads, LoneReads], ids=["shared", "lone"])
def test_everybody_comes_back(
    benchmark: BenchmarkFixture, runner: asyncio.Runner, history: RedisHistory, kind: type[SharedReads]
) -> None:
    benchmark.group = f"resume, {CLIENTS:,} clients that missed {MISSED} events each"

    def run() -> dict[ConnectionId, list[bytes]]:
        return runner.run(come_back(history, kind))

    given = run()
    expected = [payload for _, payload in EVENTS[1:]]
    assert len(given) == CLIENTS
    assert all(payloads == expected for payloads in given.values())
    benchmark.pedantic(run, rounds=5)
