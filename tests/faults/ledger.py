"""What producers sent, and what Redis said to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Sent:
    """One event of a producer.

    Attributes:
        number: unique in the ledger and growing; stands in the event as `n`, so that a client's copy names its line.
        event: what was sent.
        channel: of a best-effort event; None for a critical one.
        began: when it was first offered to Redis, in seconds of the event loop.
        accepted: when Redis said yes; None while it has not.
        entry_id: the stream id that it got; of critical events.
    """

    number: int
    event: Mapping[str, Any]
    channel: str | None
    began: float
    accepted: float | None = None
    entry_id: str | None = None

    @property
    def branch(self) -> int:
        """Of the event's room."""
        return int(self.event["branch_id"])

    @property
    def payload(self) -> bytes:
        """The event as a back end writes it."""
        return json.dumps(self.event, separators=(",", ":")).encode()

    @property
    def critical(self) -> bool:
        """Whether it went to the source stream."""
        return self.channel is None


@dataclass(slots=True)
class Ledger:
    """All events of a run, in the order in which they were first offered.

    Each room has one producer of critical events, and each channel one of best-effort ones; a producer offers an event
    only after the one before. So this is the order of every room, and of every channel.
    """

    lines: list[Sent] = field(default_factory=list)

    def enter(self, event: Mapping[str, Any], channel: str | None, now: float) -> Sent:
        """Note an event that is about to be sent, and number it."""
        number = len(self.lines)
        sent = Sent(number, {**event, "n": number}, channel, now)
        self.lines.append(sent)
        return sent

    def accepted(self, *, critical: bool) -> list[Sent]:
        """What Redis said yes to."""
        return [sent for sent in self.lines if sent.critical is critical and sent.accepted is not None]
