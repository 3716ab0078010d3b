"""Names in Redis by which nodes find and ask each other."""

from __future__ import annotations

from typing import Final

NODES_CHANNEL: Final = "gateway:nodes"
"""Pub/Sub: questions of one node to the others."""

ROSTER: Final = "{gateway:nodes}:roster"
"""Sorted set: the nodes that live, by the server's milliseconds at which each lapses unless it says so again."""


def answers_key(question: str) -> str:
    """List, some seconds: what nodes answered to the question of this id."""
    return f"{{gateway:answers:{question}}}"
