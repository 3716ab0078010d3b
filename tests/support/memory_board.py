"""A board that nodes ask each other by, without Redis."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from gateway.errors import BrokerError
from gateway.hub.node_talk import NodeTalk


class MemoryBoard:
    """Keeps `broker.nodes_base.NodeBoard` for several nodes of one process.

    Attributes:
        away: every method raises.
        entered: names, as often as they were entered.
        expected: further names that are listed though nobody has them: nodes that died.
    """

    def __init__(self) -> None:
        self.away = False
        self.entered: list[str] = []
        self.expected: set[str] = set()
        self.talks: list[NodeTalk] = []
        self.asked: list[bytes] = []
        self._here: set[str] = set()
        self._answers: defaultdict[str, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    def _check(self) -> None:
        if self.away:
            raise BrokerError("away")

    async def enter(self, name: str) -> None:
        self._check()
        self.entered.append(name)
        self._here.add(name)

    async def leave(self, name: str) -> None:
        self._check()
        self._here.discard(name)

    async def names(self) -> frozenset[str]:
        self._check()
        return frozenset(self._here | self.expected)

    async def ask(self, question: bytes) -> None:
        self._check()
        self.asked.append(question)
        for talk in self.talks:
            talk.hear(question)

    async def answer(self, question_id: str, answer: bytes) -> None:
        self._check()
        self._answers[question_id].put_nowait(answer)

    async def next_answer(self, question_id: str, seconds: float) -> bytes | None:
        self._check()
        try:
            async with asyncio.timeout(seconds):
                return await self._answers[question_id].get()
        except TimeoutError:
            return None
