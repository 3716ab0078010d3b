"""The index, native against pure: a broadcast from permit to recipients, and connections that come and go.

Each case checks its answer before it is timed. A broadcast is counted whole: `submit_many`, `recipients` as a Python
list, `finish`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.types import Room
from tests.support.cores import UNLIMITED, an_event, attach, every_core, leave

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from gateway.fanout.base import FanoutCore
    from tests.support.cores import MakeCore

ROOM = Room(1, 5)
WAITERS, KITCHEN, ADMIN, SECTOR = "branch:5:waiters", "branch:5:kitchen", "branch:5:admin", "sector:9:waiters"

pytestmark = every_core
every_size = pytest.mark.parametrize("size", [10, 1_000, 10_000])


def broadcast(core: FanoutCore, audiences: tuple[str, ...]) -> list[int]:
    [ticket] = core.submit_many([an_event(ROOM, *audiences, size=256)])
    found = core.recipients(ticket)
    core.finish(ticket)
    return found


def crowd(make_core: MakeCore, size: int, audiences: list[str]) -> FanoutCore:
    """A room of so many connections, and one of another tenant as large, which nothing may reach."""
    core = make_core(UNLIMITED)
    for connection in range(1, size + 1):
        attach(core, connection, {ROOM: audiences}, f"user:{connection}")
        attach(core, connection + size, {Room(2, 5): audiences}, f"user:{connection}")
    return core


@every_size
def test_broadcast_to_one_audience(benchmark: BenchmarkFixture, make_core: MakeCore, size: int) -> None:
    benchmark.group = f"broadcast, one audience, {size:,} recipients"
    core = crowd(make_core, size, [KITCHEN])
    assert sorted(broadcast(core, (KITCHEN,))) == list(range(1, size + 1))
    benchmark(broadcast, core, (KITCHEN,))


@every_size
def test_broadcast_to_two_audiences_that_overlap(benchmark: BenchmarkFixture, make_core: MakeCore, size: int) -> None:
    benchmark.group = f"broadcast, everybody in two audiences, {size:,} recipients"
    core = crowd(make_core, size, [WAITERS, KITCHEN])
    assert sorted(broadcast(core, (WAITERS, KITCHEN))) == list(range(1, size + 1))
    benchmark(broadcast, core, (WAITERS, KITCHEN))


@every_size
def test_one_comes_and_goes(benchmark: BenchmarkFixture, make_core: MakeCore, size: int) -> None:
    benchmark.group = f"attach and leave, among {size:,}"
    core = crowd(make_core, size, [WAITERS, SECTOR])
    audiences = {ROOM: [WAITERS, SECTOR, ADMIN]}
    connection = 3 * size

    def come_and_go() -> tuple[object, object]:
        return attach(core, connection, audiences, "user:12", "jti:x"), leave(core, connection)

    assert come_and_go() == (((ADMIN,), ()), ((), (ADMIN,)))
    benchmark(come_and_go)
    assert core.stats().connections == 2 * size
