"""How long it took until everybody heard again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.ledger import Sent
from tests.faults.recorder import ClientLog, Heard


def recovered_at(logs: Sequence[ClientLog], lines: Sequence[Sent], since: float) -> float | None:
    """When the last client had heard the first critical event of its room that was offered after `since`.

    Of each room the earliest event counts that every entitled client has heard; None while a room has none.
    """
    heard: dict[int, dict[str, float]] = {}
    for log in logs:
        for item in log.items():
            if isinstance(item, Heard) and item.event_id is not None:
                heard.setdefault(item.number, {}).setdefault(log.seat.name, item.at)
    latest = since
    for branch in {branch for log in logs for branch in log.seat.branches}:
        by_all = [
            max(times.values())
            for sent in lines
            if sent.critical and sent.branch == branch and sent.accepted is not None and sent.began >= since
            if (entitled := {log.seat.name for log in logs if log.seat.may_see(sent.event)})
            if entitled <= (times := heard.get(sent.number, {})).keys()
        ]
        if not by_all:
            return None
        latest = max(latest, min(by_all))
    return latest
