"""The port by which nodes ask each other."""

from __future__ import annotations

from typing import Protocol


class NodeBoard(Protocol):
    """Where nodes enter their names, put questions up and leave answers. For one event loop.

    Every method raises `errors.BrokerError` when the server is away, refuses, or does not answer in time.
    """

    async def enter(self, name: str) -> None:
        """Say that this node lives; its name lapses by itself unless that is said again."""
        ...

    async def leave(self, name: str) -> None:
        """Take a name off."""
        ...

    async def names(self) -> frozenset[str]:
        """The nodes that live: those that have said so lately, on whatever machine."""
        ...

    async def ask(self, question: bytes) -> None:
        """Put a question to all nodes that listen, the asker among them."""
        ...

    async def answer(self, question_id: str, answer: bytes) -> None:
        """Leave an answer for whoever asked; it lapses within seconds."""
        ...

    async def next_answer(self, question_id: str, seconds: float) -> bytes | None:
        """Take the next answer to a question; None when none came in so many seconds."""
        ...
