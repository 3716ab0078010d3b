"""What `gateway top` shows: a terminal's picture, or lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from gateway.cli.listing import printable, table_of
from gateway.cli.node_sample import (
    ENDPOINTS,
    NodeRates,
    NodeSample,
    all_rates,
    connections,
    drops_by_reason,
    rates,
    troubles,
)
from gateway.cli.quantities import rate, size, span

_TRAFFIC: Final = (
    "clients",
    "rooms",
    "events/s",
    "critical/s",
    "delivered/s",
    "drops/s",
    "in flight",
)
_STATE: Final = (*ENDPOINTS, "outbox", "slow", "up", "relay")

HEADER: Final = ("node", *_TRAFFIC, *_STATE)
"""Columns of a row; in a terminal half of them at a time, so that 80 characters are enough."""

_LEFT: Final = ("node", "relay")


def node_rows(before: NodeSample | None, now: NodeSample) -> list[list[str]]:
    """A row for each node, by `HEADER`."""
    return [_row(node, status, rates(before, now, node)) for node, status in now.nodes.items()]


def picture(before: NodeSample | None, now: NodeSample, *, url: str, complaint: str = "") -> Group:
    """Everything, for a terminal.

    Args:
        before: the sample before.
        now: the last one.
        url: who was asked.
        complaint: why there is no newer one; empty where there is.
    """
    rows = node_rows(before, now)
    if len(rows) > 1:
        rows.append(_total(before, now))
    split = 1 + len(_TRAFFIC)
    parts: list[Any] = [
        Text(f"Fanout Gateway at {url}: {len(now.nodes)} {'node' if len(now.nodes) == 1 else 'nodes'}", style="bold"),
        Text(),
        _table(HEADER[:split], [row[:split] for row in rows]),
        Text(),
        _table(("node", *HEADER[split:]), [[row[0], *row[split:]] for row in rows]),
    ]
    if complaint:
        parts += [Text(), Text(printable(complaint), style="bold red")]
    if found := troubles(now):
        parts += [Text(), *(Text(printable(sentence), style="yellow") for sentence in found)]
    if dropped := drops_by_reason(now):
        counts = "   ".join(f"{printable(reason)} {count}" for reason, count in dropped.items())
        parts += [Text(), Text(f"dropped since start:   {counts}")]
    parts += [Text(), Text("Ctrl-C ends it", style="dim")]
    return Group(*parts)


def as_json(before: NodeSample | None, now: NodeSample, seconds: float) -> dict[str, Any]:
    """The same for programs: the nodes' own words, with the rates beside them."""
    total = all_rates(before, now)
    return {
        "time": round(seconds, 3),
        "rates": {
            "events": total.events,
            "critical": total.critical,
            "deliveries": total.deliveries,
            "drops": total.drops,
        },
        "troubles": troubles(now),
        "nodes": list(now.nodes.values()),
        "silent": list(now.silent),
    }


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    return table_of(header, rows, right=set(header) - set(_LEFT))


def _row(node: str, status: Mapping[str, Any], passed: NodeRates) -> list[str]:
    relay = status.get("relay") or {}
    lag = relay.get("lag")
    total, *by_endpoint = map(str, connections(status))
    return [
        node,
        total,
        str(status.get("rooms", "-")),
        rate(passed.events),
        rate(passed.critical),
        rate(passed.deliveries),
        rate(passed.drops),
        str(status.get("broadcasts_in_flight", "-")),
        *by_endpoint,
        size(status.get("outbox_bytes")),
        str(status.get("slow_clients_total", "-")),
        span(status.get("uptime_seconds") or 0),
        ("active" if lag is None else f"active, lag {lag}") if relay.get("active") else "",
    ]


def _total(before: NodeSample | None, now: NodeSample) -> list[str]:
    statuses = list(now.nodes.values())
    passed = all_rates(before, now)
    outboxes = [status["outbox_bytes"] for status in statuses if status.get("outbox_bytes") is not None]
    total, *by_endpoint = [str(sum(column)) for column in zip(*map(connections, statuses), strict=True)]
    return [
        "all",
        total,
        "",  # a room may be on several nodes
        rate(passed.events),
        rate(passed.critical),
        rate(passed.deliveries),
        rate(passed.drops),
        str(sum(status.get("broadcasts_in_flight") or 0 for status in statuses)),
        *by_endpoint,
        size(sum(outboxes) if outboxes else None),
        str(sum(status.get("slow_clients_total") or 0 for status in statuses)),
        "",
        "",
    ]
