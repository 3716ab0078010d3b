"""What a client hears, and what the gateway says on its own account."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import msgspec

OWN_TYPES: Final = frozenset({"welcome", "pong", "gap", "error", "reconnect", "token_refreshed", "sectors_updated"})
"""Types of the gateway's own messages; any other is an event's."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as its producer wrote it.

    Attributes:
        type: the member `type`.
        data: the whole object.
        text: the JSON as it came, byte for byte.
    """

    type: str
    data: dict[str, Any]
    text: str

    @property
    def event_id(self) -> str | None:
        """The stream id of a critical event, the same wherever it is seen; None for a best-effort event."""
        return _text(self.data.get("event_id"))

    @property
    def position(self) -> str | None:
        """The position of its branch behind a critical event; None for a best-effort event."""
        return _text(self.data.get("position"))


@dataclass(frozen=True, slots=True)
class Stale:
    """Critical events of these branches may be missing from here on: fetch their state anew."""

    branches: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Throttled:
    """So many best-effort events were dropped here, because the client read too slowly."""

    dropped: int


def read(text: str | bytes) -> dict[str, Any] | None:
    """A message of the gateway: a JSON object with a string `type`; None for anything else."""
    if isinstance(text, bytes):
        return None
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None


def number(value: object) -> float | None:
    """A finite number that is not negative; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        return None
    return float(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
