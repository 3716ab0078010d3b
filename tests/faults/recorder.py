"""What one client lived through: every message of every connection, with the time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.seat import Seat


@dataclass(frozen=True, slots=True)
class Welcomed:
    """A connection stands."""

    at: float
    positions: Mapping[int, str]
    asked: Mapping[int, str]
    resumed: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class Heard:
    """An event; `event_id` is that of a critical one."""

    at: float
    number: int
    branch: int
    event_id: str | None


@dataclass(frozen=True, slots=True)
class ToldDropped:
    """`gap`: so many best-effort events were dropped here."""

    at: float
    count: int


@dataclass(frozen=True, slots=True)
class ToldGap:
    """`gap`: critical events of a branch may be missing."""

    at: float
    branch: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A connection is over; `code` 1006 where no close frame came."""

    at: float
    code: int


Item = Welcomed | Heard | ToldDropped | ToldGap | Ended


@dataclass(slots=True)
class Connection:
    """From one dial to its end.

    Attributes:
        node: the name of the node that was dialled.
        dialled: when; the node cannot have known of the client before.
        items: in the order in which they came.
    """

    node: str
    dialled: float
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class ClientLog:
    """All that one client heard, and where it stands.

    Attributes:
        seat: who it is.
        connections: those that were welcomed, oldest first.
        positions: by branch, as a correct client keeps them for `resume=`.
        strange: messages that no client should get.
    """

    seat: Seat
    connections: list[Connection] = field(default_factory=list)
    positions: dict[int, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)

    def items(self) -> list[Item]:
        """Of all connections."""
        return [item for connection in self.connections for item in connection.items]

    def welcome(self, node: str, text: str, asked: Mapping[int, str], *, dialled: float, now: float) -> None:
        """Begin a connection with its first message."""
        message = json.loads(text)
        positions = {int(branch): position for branch, position in message["positions"].items()}
        resumed = {int(branch): known for branch, known in message.get("resumed", {}).items()}
        self.positions |= positions
        self.connections.append(Connection(node, dialled, [Welcomed(now, positions, dict(asked), resumed)]))

    def take(self, text: str, now: float) -> None:
        """Note any later message."""
        message = json.loads(text)
        match message:
            case {"type": "pong", "positions": dict(positions)}:
                self.positions |= {int(branch): position for branch, position in positions.items()}
            case {"type": "gap", "critical": True, "branch": int(branch)}:
                self._note(ToldGap(now, branch))
            case {"type": "gap", "dropped": int(count)}:
                self._note(ToldDropped(now, count))
            case {"type": "reconnect"}:
                pass  # the close that follows is what counts
            case {"n": int(), "branch_id": int()}:
                self._hear(message, now)
            case _:
                self.strange.append(text[:200])

    def end(self, code: int, now: float) -> None:
        """The connection is over."""
        self._note(Ended(now, code))

    def _hear(self, message: Mapping[str, Any], now: float) -> None:
        branch, event_id = message["branch_id"], message.get("event_id")
        if event_id is not None:
            self.positions[branch] = message["position"]
        self._note(Heard(now, message["n"], branch, event_id))

    def _note(self, item: Item) -> None:
        self.connections[-1].items.append(item)
