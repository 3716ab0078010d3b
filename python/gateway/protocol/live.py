r"""What a room's live channel carries, and what its history keeps.

A live message is a line of text and the payload, byte for byte: `1 <position> <prev> <audiences>\n<payload>`. The 1 is
the version of the format; audiences are joined by commas; a best-effort event has `-` for both positions. None of the
parts can hold a space, so that the relay's script, which alone knows `prev`, can write it without an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.protocol.audiences import parse_channel
from gateway.protocol.positions import ZERO, Position, is_position

VERSION: Final = "1"
"""Of the format. A node that meets another one cannot read the message; it repairs the room from history."""

_NONE: Final = "-"


class CriticalEvent(NamedTuple):
    """One critical event of a room, as history keeps it and as the live channel carries it.

    Attributes:
        position: its own.
        prev: the position before it in the room; `ZERO` before a room's first event, `BEGUN_AGAIN` before the first one
            of a history that was begun again.
        audiences: whom it is for, in the room.
        payload: the producer's JSON, byte for byte.
    """

    position: Position
    prev: Position
    audiences: tuple[str, ...]
    payload: bytes


class BestEffortEvent(NamedTuple):
    """One best-effort event that came by the API."""

    audiences: tuple[str, ...]
    payload: bytes


LiveMessage = CriticalEvent | BestEffortEvent


def encode_live(message: LiveMessage) -> bytes:
    """The bytes to publish. Thread-safe."""
    match message:
        case CriticalEvent(position, prev, audiences, payload):
            return f"{VERSION} {position} {prev} {join_audiences(audiences)}\n".encode() + payload
        case BestEffortEvent(audiences, payload):
            return f"{VERSION} {_NONE} {_NONE} {join_audiences(audiences)}\n".encode() + payload


def decode_live(data: bytes) -> LiveMessage:
    """What was published. Thread-safe.

    Raises:
        ValueError: it is not a live message, or one of another version.
    """
    line, newline, payload = data.partition(b"\n")
    parts = line.decode("ascii", "replace").split(" ")
    if not newline or len(parts) != 4 or parts[0] != VERSION:  # noqa: PLR2004 - the four parts of the line
        raise ValueError(f"not a live message of version {VERSION}: it begins {data[:60]!r}")
    _, position, prev, joined = parts
    audiences = split_audiences(joined)
    if position == prev == _NONE:
        return BestEffortEvent(audiences, payload)
    if not is_position(position) or position == ZERO or not is_position(prev):
        raise ValueError(f"a live message has the positions {position[:60]!r} and {prev[:60]!r}, which are none")
    return CriticalEvent(Position(position), Position(prev), audiences, payload)


def join_audiences(audiences: Sequence[str]) -> str:
    """Audiences as one field."""
    return ",".join(audiences)


# Bounded, and without what is none: rooms have few combinations of audiences, and each comes with every event.
@lru_cache(maxsize=16_384)
def split_audiences(joined: str) -> tuple[str, ...]:
    """Audiences out of one field. Thread-safe.

    Raises:
        ValueError: there is none, or a name is none of an audience.
    """
    audiences = tuple(joined.split(","))
    for audience in audiences:
        if parse_channel(audience) is None:
            raise ValueError(f"not an audience: {audience[:60]!r}")
    return audiences
