"""A run as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from benches.relay.measure import Measured
from benches.relay.record import Record
from benches.relay.shape import RECIPIENTS

BUSY = 0.5
"""A load average from which on a run is none to go by."""

HEADER = ("way", "rooms", "nodes", "events/s", "at", "p50", "p99", "CPU of gateways", "CPU of Redis")


def relay_table(record: Record) -> str:
    """Every arrangement, and under the table on what and how."""
    rows = [HEADER, ("---", *["---:"] * (len(HEADER) - 1)), *map(_row, record.measured)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{table}\n{_footnote(record)}\n"


def _row(one: Measured) -> tuple[str, ...]:
    return (
        one.way,
        f"{one.rooms:,}",
        str(one.nodes),
        f"{one.rate:,.0f}",
        f"{one.share:.0%}",
        f"{one.p50:,.1f} ms",
        f"{one.p99:,.1f} ms",
        f"{one.gateway_cpu:,.0f} µs",
        f"{one.redis_cpu:,.0f} µs",
    )


def _footnote(record: Record) -> str:
    return " ".join(_sentences(record))


def _sentences(record: Record) -> Iterator[str]:
    machine = record.machine
    yield f"{record.date}: {machine['class']}, {machine['kernel']}, {machine['python']}; loopback, 250 B events."
    yield f"Each event has {RECIPIENTS} recipients over all nodes; each got it once, in room order, byte for byte."
    yield "Valkey, gateways, producer and clients share the same cores. *events/s*: with a bounded number under way;"
    yield "*at*: the share of that rate at which the latencies were taken, from `PUBLISH` or `XADD` to the client;"
    yield "*CPU*: for one event, at the full rate, of all gateways together."
    yield f"Decoding and routing alone: {record.decode_route:,.0f} events a second and core."
    yield f"The load average before the run was {record.busy:.1f}."
    if record.busy >= BUSY:
        yield "**Others used the machine**: only the CPU of an event says something, rates and latencies do not."
    if not record.whole:
        yield "The run was broken off."
