"""Questions of joins to Redis: those that come together share a round trip."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from gateway.broker.limits_base import Claim, ClaimAnswer

IN_FLIGHT: Final = 2
"""Pipelines at once. What is asked meanwhile is gathered for the next one: the more there is to ask, the more go
together. Two, so that one which the server keeps waiting does not stop all joins at once."""

MOST: Final = 64
"""Questions of one pipeline: a fraction of a millisecond of the server's time."""


class Question(NamedTuple):
    """What one join asks: string keys to read, and a place to claim."""

    keys: Sequence[str]
    claim: Claim | None


AskAll = Callable[[Sequence[Question]], Awaitable[Sequence[ClaimAnswer | Exception]]]
"""One round trip: an answer or an error for each question, in order; raises where all have failed."""


_Asked = tuple[Question, asyncio.Future[ClaimAnswer]]


class SharedQuestions:
    """Gathers questions until the loop's next turn, and while pipelines are under way. For one event loop.

    Whoever is cancelled while it waits is left out, or its answer thrown away: it may have got the place that it
    claimed.
    """

    def __init__(self, ask_all: AskAll) -> None:
        self._ask_all = ask_all
        self._waiting: list[_Asked] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0  # of those, the ones that will look at what waits once more

    async def ask(self, question: Question) -> ClaimAnswer:
        """The answer to one question.

        Raises:
            Exception: what `ask_all` raised, or gave for this question.
        """
        answer: asyncio.Future[ClaimAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._running < IN_FLIGHT:
            self._running += 1
            task = asyncio.create_task(self._run(), name="shared-questions")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _run(self) -> None:
        try:
            while batch := self._take():
                await self._answer(batch)
        finally:
            # In the same step in which nothing was found to wait: whoever asks next starts another one.
            self._running -= 1

    async def _answer(self, batch: Sequence[_Asked]) -> None:
        try:
            answers = await self._ask_all([question for question, _ in batch])
        except asyncio.CancelledError:
            for _, waiting in batch:
                waiting.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - raised where each of them waits
            answers = [error] * len(batch)
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if waiting.done():
                continue  # it was cancelled
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    def _take(self) -> list[_Asked]:
        there = [(question, waiting) for question, waiting in self._waiting if not waiting.done()]
        self._waiting = there[MOST:]
        return there[:MOST]
