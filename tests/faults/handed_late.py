"""Judges what nodes gave to those who came later: over the logs of all clients. Pure.

Nodes read Redis each for itself, and a best-effort event has no position. So a client that comes from another node may
hear again what that one had given it, where the new one had not come so far yet: this is no fault. What a node gave to
anybody before a client dialled is behind that node, and must not reach the client from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from tests.faults.ledger import Sent
from tests.faults.recorder import ClientLog, Connection, Heard

SHOWN = 5


def judge_handed_late(logs: Sequence[ClientLog], lines: Sequence[Sent]) -> list[str]:
    """Sentences about best-effort events that a node gave to a client although it was past them when that one dialled.

    A node takes the events of a channel in their order, and each goes to all who are there. So an event that one client
    has heard says of itself, and of all before it on its channel, that whoever dials the node now comes too late for
    them. No clock is compared but that of the clients, and no delay is allowed for.
    """
    channels = {sent.number: sent.channel for sent in lines}
    heard: defaultdict[tuple[str, str | None], list[tuple[float, int]]] = defaultdict(list)
    for log in logs:
        for connection in log.connections:
            for item in _best_effort(connection):
                heard[connection.node, channels.get(item.number)].append((item.at, item.number))
    times, newest = {}, {}
    for way, found in heard.items():
        found.sort()
        times[way] = [at for at, _ in found]
        newest[way] = list(accumulate((number for _, number in found), max))
    wrong = []
    for log in logs:
        late = []
        for connection in log.connections:
            for item in _best_effort(connection):
                way = connection.node, channels.get(item.number)
                before = bisect_left(times[way], connection.dialled)
                if before and item.number <= newest[way][before - 1]:
                    late.append(item.number)
        if late:
            wrong.append(
                f"{log.seat.name}: best-effort events that its node was past before it came: "
                f"{late[:SHOWN]} ({len(late)} in all)"
            )
    return wrong


def _best_effort(connection: Connection) -> Iterator[Heard]:
    return (item for item in connection.items if isinstance(item, Heard) and item.event_id is None)
