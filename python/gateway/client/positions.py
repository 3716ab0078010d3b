"""Up to where the client has heard the critical events of each branch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

REMEMBERED: Final = 256
"""So many critical events of a branch are recognised when they come again."""

_BRANCH = re.compile(r"[1-9][0-9]*", re.ASCII)


class Positions:
    """A position for each branch, by its number in decimal; opaque, compared for equality alone. For one event loop.

    Args:
        stored: positions of an earlier run; what cannot be one is left out.
    """

    def __init__(self, stored: object = None) -> None:
        self._of: dict[str, str] = _valid(stored)
        self._seen: dict[str, dict[str, None]] = {}
        # Whether somebody holds a state that a loss would make stale: not before the first welcome of all.
        self._begun = bool(self._of)

    def snapshot(self) -> dict[str, str]:
        """A copy."""
        return dict(self._of)

    def resume(self) -> str:
        """What the gateway is asked to resume: `5:<position>,6:<position>`; empty for nothing."""
        return ",".join(f"{branch}:{position}" for branch, position in sorted(self._of.items(), key=_number))

    def welcome(self, positions: object, resumed: object) -> list[int]:
        """A connection begins where `welcome` says.

        Returns:
            the branches of which events may be missing: on every connection but the first, all that were not resumed.
        """
        now = _valid(positions)
        answers = resumed if isinstance(resumed, dict) else {}
        lost = sorted(int(branch) for branch in self._of | now if answers.get(branch) is not True)
        stale, self._begun = lost if self._begun else [], True
        self._of = now
        return stale

    def passed(self, branch: int, position: str) -> bool:
        """A critical event arrived: whether for the first time. `move` follows when it has been handed over."""
        seen = self._seen.setdefault(str(branch), {})
        if position in seen:
            return False
        seen[position] = None
        if len(seen) > REMEMBERED:
            del seen[next(iter(seen))]
        return True

    def move(self, positions: object) -> bool:
        """Go on to these positions, other branches stay where they are; whether anything changed."""
        before = self._of
        # A branch that a pong leaves out is kept: without its position, a later loss would go unnoticed.
        self._of = before | _valid(positions)
        return self._of != before

    def forget(self) -> None:
        """Keep no position: the gateway calls them malformed, and would do so again."""
        self._of = {}


def _number(item: tuple[str, str]) -> int:
    return int(item[0])


def _valid(positions: object) -> dict[str, str]:
    if not isinstance(positions, Mapping):
        return {}
    return {
        branch: position
        for branch, position in positions.items()
        if isinstance(branch, str) and _BRANCH.fullmatch(branch) and isinstance(position, str) and position
    }
