"""Judges best-effort events: each one that a client missed must be accounted for somewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.counters import Counters
from tests.faults.ledger import Sent
from tests.faults.recorder import ClientLog, Connection, Ended, Heard, ToldDropped, Welcomed

SHOWN = 5


@dataclass(slots=True)
class BestEffortVerdict:
    """What became of the best-effort events of one client.

    Attributes:
        expected: accepted by Redis on a channel that the client hears, after its first welcome.
        delivered: how many of them it heard.
        counted: how many it missed that are in a counter, a `gap`, or fell into an absence of its own.
        silent: those that are in none, by number.
        wrong: sentences about everything else that must not be.
    """

    expected: int = 0
    delivered: int = 0
    counted: int = 0
    silent: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge_best_effort(log: ClientLog, lines: Sequence[Sent], counters: Mapping[str, Counters]) -> BestEffortVerdict:
    """Hold a log against the ledger and the counters of the nodes that the client was on, by name.

    Excuses are used up in this order: while the client was away; as many as its gaps say; then, for what is left, the
    node's own: as many separate holes of a channel as its subscription was interrupted, or as many events as it says
    to have dropped. A hole is a run of neighbours on one channel, and one interruption makes one hole at most.
    """
    verdict = BestEffortVerdict()
    for connection in log.connections:
        _judge_connection(connection, lines, verdict)
    heard = {item.number for item in log.items() if isinstance(item, Heard) and item.event_id is None}
    joined = next((item.at for item in log.items() if isinstance(item, Welcomed)), float("inf"))
    mine = [
        sent
        for sent in lines
        if sent.channel is not None
        and sent.accepted is not None
        and sent.began >= joined
        and log.seat.hears(sent.channel)
    ]
    # What was offered and not accepted may have been delivered all the same: nobody knows.
    offered = {sent.number for sent in lines if sent.channel is not None and log.seat.hears(sent.channel)}
    if foreign := heard - offered:
        verdict.wrong.append(f"best-effort events heard that are not for it: {sorted(foreign)[:SHOWN]}")
    missing = [sent for sent in mine if sent.number not in heard]
    verdict.expected = len(mine)
    verdict.delivered = len(mine) - len(missing)
    absent = _fell_into_absences(log, missing, lines)
    here = [sent for sent in missing if sent.number not in absent]
    told = sum(item.count for item in log.items() if isinstance(item, ToldDropped))
    left = here if told < len(here) else []
    if left and not _in_counters(left, mine, len(left) - told, _of_nodes(log, counters)):
        verdict.silent = [sent.number for sent in left]
    verdict.counted = len(missing) - len(verdict.silent)
    return verdict


def _judge_connection(connection: Connection, lines: Sequence[Sent], verdict: BestEffortVerdict) -> None:
    """Each event once, and each channel in its order. What other connections heard is for `judge_handed_late`."""
    channels = {sent.number: sent.channel for sent in lines}
    newest: dict[str | None, int] = {}
    for number in (item.number for item in connection.items if isinstance(item, Heard) and item.event_id is None):
        channel = channels.get(number)
        before = newest.get(channel, -1)
        if number <= before:
            how = "twice" if number == before else f"after {before}"
            verdict.wrong.append(f"{channel}: {number} was heard {how} on one connection, with {connection.node}")
            return
        newest[channel] = number


def _fell_into_absences(log: ClientLog, missing: Sequence[Sent], lines: Sequence[Sent]) -> set[int]:
    """Those that came when the client was away, or were on their way to it when its connection ended.

    What is behind the last event of its channel on that connection may have been in the node, or on the link to it.
    """
    channels = {sent.number: sent.channel for sent in lines}
    newest: dict[str | None, int] = {}
    excused: set[int] = set()
    for connection, following in zip(log.connections, [*log.connections[1:], None], strict=True):
        for item in connection.items:
            if isinstance(item, Heard) and item.event_id is None:
                newest[channels.get(item.number)] = item.number
        if not isinstance(connection.items[-1], Ended):
            continue
        back = following.items[0].at if following else float("inf")
        excused |= {
            sent.number for sent in missing if newest.get(sent.channel, -1) < sent.number and sent.began <= back
        }
    return excused


def _of_nodes(log: ClientLog, counters: Mapping[str, Counters]) -> Counters:
    total = Counters()
    for node in {connection.node for connection in log.connections}:
        total += counters[node]
    return total


def _in_counters(left: Sequence[Sent], mine: Sequence[Sent], unexplained: int, counted: Counters) -> bool:
    if unexplained <= counted.dropped:
        return True
    numbers = {sent.number for sent in left}
    holes: dict[str | None, int] = {}
    inside: set[str | None] = set()
    for sent in mine:
        if sent.number not in numbers:
            inside.discard(sent.channel)
        elif sent.channel not in inside:
            inside.add(sent.channel)
            holes[sent.channel] = holes.get(sent.channel, 0) + 1
    return max(holes.values()) <= counted.interruptions
