"""Positions: where in a room's critical events a reader stands."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final, NewType

Position = NewType("Position", str)
"""`<ms>-<seq>/<hash>`: the stream id of a critical event and the first 8 hex digits of its payload's SHA-1; or `ZERO`.

The hash tells apart two events that got the same id on two sides of a failover. It guards against accidents, not
against an adversary, and SHA-1 is what Redis offers to scripts (`redis.sha1hex`). Positions are compared for equality
and never for order: after a failover a newer event may have a smaller id.
"""

ZERO: Final = Position("0-0")
"""The position of a room that never had a critical event."""

BEGUN_AGAIN: Final = Position("0-1/00000000")
"""What stands before the first event of a history that was begun again, and is nobody's position.

Not `ZERO`: a reader that stands there because it missed everything so far would take that event for the room's first.
"""

HASH_DIGITS: Final = 8
"""Hex digits of the hash in a position."""

_MAX_PART: Final = 2**64 - 1  # Redis keeps both halves of an id in 64 bits
_NUMBER: Final = "(0|[1-9][0-9]{0,19})"  # written in one way only, as Redis writes it
_ID: Final = re.compile(f"{_NUMBER}-{_NUMBER}", re.ASCII)
_LONGEST: Final = 20 + 1 + 20 + 1 + HASH_DIGITS
_HASH: Final = re.compile(f"[0-9a-f]{{{HASH_DIGITS}}}", re.ASCII)


def position_of(entry_id: str, payload: bytes) -> Position:
    """The position of a critical event, by its stream id and its payload as the producer wrote it. Thread-safe."""
    digest = hashlib.sha1(payload, usedforsecurity=False).hexdigest()
    return Position(f"{entry_id}/{digest[:HASH_DIGITS]}")


def entry_id(position: Position) -> str:
    """The stream id in a position; that of `ZERO` is `0-0`, which no event has."""
    return position.partition("/")[0]


def began_at(position: Position) -> float:
    """When a critical event was written to its stream, in Unix seconds by Redis' clock, to the millisecond."""
    return int(position.partition("-")[0]) / 1_000


def parse_id(text: str) -> tuple[int, int]:
    """A stream id as two integers, which is how ids compare. Thread-safe.

    Raises:
        ValueError: it is not written as Redis writes it.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError(f"not a stream id: {text[:60]!r}; expected <milliseconds>-<sequence>, like 1700000000000-0")
    milliseconds, sequence = int(match[1]), int(match[2])
    if max(milliseconds, sequence) > _MAX_PART:
        raise ValueError(f"not a stream id: {text!r}; each half has 64 bits")
    return milliseconds, sequence


def is_position(text: str) -> bool:
    """Whether a text that came from outside is a position: `0-0`, or an id, a slash and a hash. Thread-safe."""
    return len(text) <= _LONGEST and _is_position(text)


# An event's position comes again as `prev` of the next one, soon. What is remembered is short: it comes from anybody.
@lru_cache(maxsize=16_384)
def _is_position(text: str) -> bool:
    number, slash, digest = text.partition("/")
    if not slash:
        return text == ZERO
    try:
        return parse_id(number) != (0, 0) and _HASH.fullmatch(digest) is not None
    except ValueError:
        return False
