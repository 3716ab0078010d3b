"""What all nodes say at one moment, and what has become of their counters since the moment before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ENDPOINTS: Final = ("waiter", "kitchen", "admin", "diner")


@dataclass(frozen=True, slots=True)
class NodeSample:
    """All nodes at one moment.

    Attributes:
        at: seconds of a clock that never goes back.
        nodes: each node's status by its name, as the operator API gives it.
        silent: nodes that live and did not answer.
    """

    at: float
    nodes: Mapping[str, Mapping[str, Any]]
    silent: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any], at: float) -> NodeSample:
        """From an answer of `/nodes`."""
        statuses = {str(status.get("node")): status for status in answer.get("nodes", ())}
        return cls(at, dict(sorted(statuses.items())), tuple(map(str, answer.get("silent") or ())))


@dataclass(frozen=True, slots=True)
class NodeRates:
    """What passed through a node in a second; None where there is nothing to compare with.

    Attributes:
        events: that came in by Pub/Sub.
        critical: that came in by the rooms' live channels.
        deliveries: recipients.
        drops: events that were not delivered, for whatever reason.
    """

    events: float | None = None
    critical: float | None = None
    deliveries: float | None = None
    drops: float | None = None

    def __add__(self, other: NodeRates) -> NodeRates:
        return NodeRates(
            _sum(self.events, other.events),
            _sum(self.critical, other.critical),
            _sum(self.deliveries, other.deliveries),
            _sum(self.drops, other.drops),
        )


def rates(before: NodeSample | None, now: NodeSample, node: str) -> NodeRates:
    """The rates of a node between two samples."""
    if before is None or node not in before.nodes or now.at <= before.at:
        return NodeRates()
    old, new, seconds = before.nodes[node], now.nodes[node], now.at - before.at

    def per_second(count_of: Any) -> float | None:
        passed = count_of(new) - count_of(old)
        # A node that was started again under its name counts from zero.
        return passed / seconds if passed >= 0 else None

    return NodeRates(
        per_second(lambda status: _number(status.get("events"), "pubsub")),
        per_second(lambda status: _number(status.get("events"), "stream")),
        per_second(lambda status: status.get("deliveries_total") or 0),
        per_second(lambda status: sum((status.get("drops") or {}).values())),
    )


def all_rates(before: NodeSample | None, now: NodeSample) -> NodeRates:
    """The rates of all nodes together."""
    total = NodeRates()
    for node in now.nodes:
        total += rates(before, now, node)
    return total


def drops_by_reason(now: NodeSample) -> dict[str, int]:
    """How many events were dropped since the nodes' starts, the most frequent reason first."""
    counts: dict[str, int] = {}
    for status in now.nodes.values():
        for reason, count in (status.get("drops") or {}).items():
            counts[reason] = counts.get(reason, 0) + count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def troubles(now: NodeSample) -> list[str]:
    """A sentence for whatever somebody should look at, node by node."""
    found = [f"{node} does not answer" for node in now.silent]
    for node, status in now.nodes.items():
        if status.get("draining"):
            found.append(f"{node} is draining")
        elif not status.get("ready", True):
            found.append(
                f"{node} is not ready: {', '.join(map(str, status.get('reasons') or ())) or 'it does not say why'}"
            )
        found += [
            f"{node}: the breaker of {duty} is {state}"
            for duty, state in (status.get("breakers") or {}).items()
            if state != "closed"
        ]
    if now.nodes and not any((status.get("relay") or {}).get("active") for status in now.nodes.values()):
        found.append("no node is the relay: critical events wait in the stream")
    if letters := dead_letters(now):
        found.append(f"{letters} dead letters: see `gateway dlq list`")
    return found


def dead_letters(now: NodeSample) -> int | None:
    """How many there are; they are everybody's, so any node that knows will do. None where none knows."""
    known = [status["dlq_length"] for status in now.nodes.values() if status.get("dlq_length") is not None]
    return max(known, default=None)


def connections(status: Mapping[str, Any]) -> list[int]:
    """A node's connections: all, then those of each of `ENDPOINTS`."""
    return [_number(status.get("connections"), name) for name in ("total", *ENDPOINTS)]


def _number(counts: Mapping[str, int] | None, name: str) -> int:
    return (counts or {}).get(name, 0)


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other
