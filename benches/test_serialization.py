"""Id and position of a critical event, spliced in once for all its recipients, native against pure.

Beside them stands what is usual and what the gateway avoids: parse the event, add the members, and write it anew for
each recipient (`send_json`). Each case checks its answer before it is timed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cores import CORES

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

EVENT = {
    "type": "ROUND_READY",
    "tenant_id": 1,
    "branch_id": 5,
    "session_id": 77,
    "sector_id": 9,
    "round": {"id": 4711, "table": "Terraza 12", "items": [{"id": 1, "name": "Provoleta", "quantity": 2}]},
    "at": "2026-11-24T21:05:00Z",
    "note": "sin sal, por favor",
}
PAYLOAD = json.dumps(EVENT, separators=(",", ":")).encode()
POSITION = "1764018300000-0/0123abcd"


def json_for_each(size: int) -> list[bytes]:
    """Parse once, write for every recipient."""
    event_id = POSITION.partition("/")[0]
    event = {"event_id": event_id, "position": POSITION} | json.loads(PAYLOAD)
    return [json.dumps(event, separators=(",", ":")).encode() for _ in range(size)]


def spliced_for_all(splice: Callable[[bytes, str], bytes]) -> Callable[[int], list[bytes]]:
    """Splice once, refer to it for every recipient."""
    return lambda size: [splice(PAYLOAD, POSITION)] * size


WAYS = [
    *(pytest.param(spliced_for_all(make().splice), id=name) for name, make in CORES),
    pytest.param(json_for_each, id="json"),
]


@pytest.mark.parametrize("size", [10, 1_000, 10_000])
@pytest.mark.parametrize("serialize", WAYS)
def test_serialize_for_everybody(
    benchmark: BenchmarkFixture, serialize: Callable[[int], list[bytes]], size: int
) -> None:
    benchmark.group = f"serialize a critical event, {size:,} recipients"
    assert serialize(size) == json_for_each(size)
    benchmark(serialize, size)
