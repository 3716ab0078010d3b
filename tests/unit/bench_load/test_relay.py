from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benches.load.binaries import Binaries
from benches.load.errors import BenchError
from benches.relay.measure import LossError, Measured, RelayLoad, Seconds, measure
from benches.relay.node import Node
from benches.relay.record import Record
from benches.relay.report import relay_table
from benches.relay.routing import decode_and_route
from benches.relay.shape import RECIPIENTS, SHAPES, Shape
from tests.support.valkey import ValkeyServer

MACHINE = {"class": "2-core Example CPU", "kernel": "Linux 6.18", "python": "CPython 3.11.7"}
ONE = Measured(1, 1, "critical", 12_345.678, 0.5, 1.23456, 9.87654, 30.0, 17.0)
RECORD = Record(
    "2026-01-02", MACHINE, {"uvicorn": "0.54.0"}, whole=False, decode_route=400_000, busy=0.1, measured=(ONE,)
)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_room_has_its_recipients_and_they_are_spread_over_the_nodes(shape: Shape) -> None:
    lines = [line.split() for line in shape.members(range(1, shape.nodes + 1))]
    assert len(lines) == shape.clients
    assert {int(line[0]) for line in lines} == set(range(1, shape.nodes + 1))
    assert sum(int(last) - int(first) + 1 for _, first, last, _ in lines) == shape.rooms * RECIPIENTS
    assert max(int(last) for _, _, last, _ in lines) == shape.rooms


def test_a_run_that_broke_off_goes_on_and_one_that_is_whole_or_another_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "relay.json"
    RECORD.save(path)
    earlier = Record.load(path)
    assert earlier.has(Shape(1, 1))
    assert not earlier.has(Shape(1, 2))
    assert RECORD.goes_on_from(earlier)
    assert not RECORD.goes_on_from(dataclasses.replace(earlier, whole=True))
    assert not RECORD.goes_on_from(dataclasses.replace(earlier, versions={"uvicorn": "0.53.0"}))
    with pytest.raises(BenchError, match="bench-relay"):
        Record.load(tmp_path / "none.json")


def test_the_table_says_at_which_share_latencies_were_taken_and_that_a_run_broke_off() -> None:
    table = relay_table(RECORD)
    assert "| critical | 1 | 1 | 12,346 | 50% | 1.2 ms | 9.9 ms | 30 µs | 17 µs |" in table
    assert "broken off" in table
    assert "Others used" not in table
    assert "Others used the machine" in relay_table(dataclasses.replace(RECORD, busy=7.1))
    assert "broken off" not in relay_table(dataclasses.replace(RECORD, whole=True))


def test_decoding_and_routing_are_checked_and_timed() -> None:
    assert decode_and_route() > 0


def test_both_ways_are_measured_over_two_nodes_and_every_event_is_checked(binaries: Binaries) -> None:
    found = measure(binaries, Shape(3, 2), Seconds(0.1, 0.3, 0.3))
    assert [one.way for one in found] == ["critical", "best effort"]
    assert all(one.rate > 0 and 0 < one.p50 <= one.p99 and one.gateway_cpu > 0 and one.redis_cpu > 0 for one in found)


async def test_an_event_that_somebody_else_writes_is_found_out(binaries: Binaries, valkey: ValkeyServer) -> None:
    """The measure itself: a client that gets more than the producer wrote says so."""
    from redis.asyncio import Redis  # noqa: PLC0415

    node = Node(valkey.url)
    try:
        node.wait_ready()
        with RelayLoad(binaries, Shape(1, 1), valkey.url, [node]) as load:
            load.joined()
            assert load.phase("flood", "best effort", 10, 0.1)["events"] > 0
            async with Redis.from_url(valkey.url) as redis:
                await redis.publish("branch:1:kitchen", '{"type":"ROUND_SUBMITTED","tenant_id":1,"branch_id":1}')
            with pytest.raises(LossError, match="unexpected text"):
                load.phase("pace", "best effort", 10, 0.5)
    finally:
        node.stop()
