"""What a critical event carries in front: its id and its position, spliced into the producer's own bytes."""

from __future__ import annotations

import re

from gateway.protocol.positions import ZERO

_OBJECT_START = re.compile(rb"[ \t\r\n]*\{")
_OBJECT_EMPTY = re.compile(rb"[ \t\r\n]*\}")
_POSITION = re.compile(r"([!#-.0-\[\]-~]+)/[!#-.0-\[\]-~]+")  # visible ASCII but for quote, backslash, slash


def check_splice(payload: bytes, position: str) -> tuple[str, int]:
    """The event id in a position, and where an object's members begin.

    Raises:
        ValueError: see `FanoutCore.splice`.
    """
    found = _POSITION.fullmatch(position)
    if found is None:
        raise ValueError("position is malformed; expected <id>/<hash> in visible ASCII without quote and backslash")
    start = _OBJECT_START.match(payload)
    if start is None:
        raise ValueError("payload is not a JSON object; expected it to begin with an opening brace")
    return found[1], start.end()


def check_position(position: str) -> None:
    """Refuse what is no position of a room, and could not stand in a JSON string as it is.

    Raises:
        ValueError: it is neither `0-0` nor an event's position.
    """
    if position != ZERO and _POSITION.fullmatch(position) is None:
        raise ValueError(
            "position is malformed; expected 0-0 or <id>/<hash> in visible ASCII without quote and backslash"
        )


def splice(payload: bytes, position: str) -> bytes:
    """Put `event_id` and `position` in front of an object's members; what follows its brace stays byte for byte.

    The payload is not parsed (it was checked at the edge), so this costs a copy whatever its size.

    Raises:
        ValueError: see `FanoutCore.splice`.
    """
    event_id, start = check_splice(payload, position)
    comma = "" if _OBJECT_EMPTY.match(payload, start) else ","
    head = f'{{"event_id":"{event_id}","position":"{position}"{comma}'
    return head.encode("ascii") + payload[start:]
