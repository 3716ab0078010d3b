"""What a client that comes back asks for: `resume=5:<position>,6:<position>`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.errors import ResumeError
from gateway.protocol.positions import Position, is_position
from gateway.types import MAX_ID

MAX_BRANCHES: Final = 256
"""Branches in one `resume`: as many as a token may name."""

MAX_ENTRY: Final = 67
"""Characters of one branch's entry: an id of 16 digits, a colon, two halves of 20 digits, a hash, and their signs."""

_BRANCH: Final = re.compile("[1-9][0-9]{0,15}", re.ASCII)


def parse_resume(values: Sequence[str]) -> dict[int, Position]:
    """Branch to position, in the order in which they were asked for. Thread-safe.

    Args:
        values: the values of the query parameter, as often as it stands there. None, or one that is empty, asks for
            nothing: a client that was never welcomed has no positions to bring.

    Raises:
        ResumeError: it is malformed (1008). Its text shows nothing of what the client sent.
    """
    if len(values) > 1:
        raise ResumeError(f"`resume` stands in the query {len(values)} times; expected once, branches joined by commas")
    if not values or not values[0]:
        return {}
    [text] = values
    # Before it is split, so that a long one costs nothing.
    if len(text) > MAX_BRANCHES * (MAX_ENTRY + 1):
        raise ResumeError(f"`resume` has {len(text)} characters; expected at most {MAX_BRANCHES} branches")
    entries = text.split(",")
    if len(entries) > MAX_BRANCHES:
        raise ResumeError(f"`resume` names {len(entries)} branches; expected at most {MAX_BRANCHES}")
    asked: dict[int, Position] = {}
    for number, entry in enumerate(entries, 1):
        branch, _, position = entry.partition(":")
        if _BRANCH.fullmatch(branch) is None or int(branch) > MAX_ID or not is_position(position):
            raise ResumeError(f"entry {number} of `resume` is malformed; expected <branch>:<position as it was given>")
        if int(branch) in asked:
            raise ResumeError(f"entry {number} of `resume` names a branch again; expected each branch once")
        asked[int(branch)] = Position(position)
    return asked
