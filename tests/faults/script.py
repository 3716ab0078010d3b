"""Hand-made ledgers and logs, for the tests of the judges: what happened, as a line of words."""

from __future__ import annotations

from typing import Any

from tests.faults.ledger import Ledger
from tests.faults.recorder import ClientLog, Connection, Ended, Heard, ToldDropped, ToldGap, Welcomed
from tests.faults.seat import Seat

KITCHEN = Seat("kitchen", "kitchen", (5,))
ID = "1700-{}"


def ledger_of(count: int, *, branch: int = 5, channel: str | None = None, refused: tuple[int, ...] = ()) -> Ledger:
    """Events 0, 1, …: number n is offered at n seconds and accepted half a second later, unless it is `refused`."""
    ledger = Ledger()
    event: dict[str, Any] = {"type": "TICKET_READY", "tenant_id": 1, "branch_id": branch}
    for number in range(count):
        sent = ledger.enter(event, channel, float(number))
        if number not in refused:
            sent.accepted = number + 0.5
            sent.entry_id = None if channel else ID.format(number)
    return ledger


def log_of(story: str, *, seat: Seat = KITCHEN, critical: bool = True, branch: int = 5) -> ClientLog:
    """A log from words: `3` hears number 3, `gap` is told of a gap of the branch, `dropped:2` of two dropped events,
    `end` loses the connection, and a new one begins with `resumed`, `unknown` (resumed false), `unanswered` or `anew`
    (asked for nothing); `@7` moves the clock to 7 s. What is heard moves it to the event's acceptance. The first
    connection is to node `a`, later ones are to `b`, or where `to:a` says.
    """
    node = "b"
    log = ClientLog(seat, [Connection("a", 0.0, [Welcomed(0.0, {branch: "0-0"}, {}, {})])])
    now = 0.0
    for word in story.split():
        items = log.connections[-1].items
        if word.startswith("@"):
            now = float(word[1:])
        elif word == "gap":
            items.append(ToldGap(now, branch))
        elif word.startswith("dropped:"):
            items.append(ToldDropped(now, int(word.removeprefix("dropped:"))))
        elif word.startswith("to:"):
            node = word.removeprefix("to:")
        elif word == "end":
            items.append(Ended(now, 1006))
        elif word in ("resumed", "unknown", "unanswered", "anew"):
            asked = {} if word == "anew" else {branch: "some"}
            resumed = {"resumed": {branch: True}, "unknown": {branch: False}}.get(word, {})
            log.connections.append(Connection(node, now, [Welcomed(now, {branch: "some"}, asked, resumed)]))
        else:
            number = int(word)
            now = max(now, number + 0.5)
            items.append(Heard(now, number, branch, ID.format(number) if critical else None))
    return log
