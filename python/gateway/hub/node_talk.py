"""Nodes ask each other: what the operator wants to know of all of them, or of the one that has a connection."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from gateway.broker.nodes_base import NodeBoard
from gateway.errors import BrokerError, NodesBusyError, NodeSilentError, NodeUnknownError
from gateway.hub.background_work import STOP_SECONDS
from gateway.hub.node_question import MAX_ANSWER_BYTES, Answer, Answers, Question, parse_answer, parse_question
from gateway.ingest.end_task import end_task
from gateway.telemetry.logging import get_logger

ASK_SECONDS: Final = 1.0
"""How long a question waits for all nodes."""

CONCURRENT_QUESTIONS: Final = 4
"""Questions of this node that are open at a time. Each holds one of the 16 connections for commands while it waits."""

WAITING_QUESTIONS: Final = 32
"""More of them wait for their turn; one more is refused."""

CONCURRENT_ANSWERS: Final = 16
"""Questions of others that are being answered at a time; one more is not answered, and this node is silent to it."""

ENTER_SECONDS: Final = 10.0
"""How often a node says that it lives."""

Answerer = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Answers one kind of question by what msgspec can write as JSON. What it raises is told to the asker as an error."""

_log = get_logger("gateway.hub.node_talk")


class NodeTalk:
    """Asks other nodes, and answers them. For one event loop.

    With several workers each process is a node of its own. A question about this node alone asks nobody else, and
    needs no Redis.

    Whoever may publish on the nodes' channel can ask what an operator can, and have connections closed: it is for
    gateways alone (`SECURITY.md`).
    """

    def __init__(
        self,
        node: str,
        board: NodeBoard,
        *,
        seconds: float = ASK_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`node` is this node's name; `sleep` waits between two entries, and tests hand in one that does not."""
        self.node = node
        self._board = board
        self._seconds = seconds
        self._sleep = sleep
        self._answerers: dict[str, Answerer] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(CONCURRENT_QUESTIONS)
        self._waiting = 0
        self._entering: asyncio.Task[None] | None = None

    def answer_with(self, kind: str, answerer: Answerer) -> None:
        """Answer a kind of question by this, whoever asks."""
        self._answerers[kind] = answerer

    # --- life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Enter this node's name, now and on, in the background; a second call does nothing."""
        if self._entering is None:
            self._entering = asyncio.create_task(self._keep_entered(), name="node-roster")

    async def stop(self) -> None:
        """Take the name off, so that nobody waits for this node, and answer no more."""
        task, self._entering = self._entering, None
        if task is not None:
            await end_task(task, STOP_SECONDS)
            with suppress(BrokerError):
                await self._board.leave(self.node)
        for answering in list(self._answering):
            answering.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _keep_entered(self) -> None:
        while True:
            try:
                await self._board.enter(self.node)
            except BrokerError as error:
                _log.warning("this node's name cannot be entered; others may not ask it", why=str(error))
            await self._sleep(ENTER_SECONDS)

    # --- asking -------------------------------------------------------------------------------------------------

    async def ask_all(self, kind: str, args: Mapping[str, Any]) -> Answers:
        """Ask every node that lives, this one included.

        Raises:
            BrokerError: Redis is away.
            NodesBusyError: as many questions as may wait do.
        """
        own = await self._own_answer(kind, args)
        others = await self._board.names() - {self.node}
        answers = await self._ask(kind, args, others, None)
        return Answers({self.node: own, **answers.bodies}, answers.silent)

    async def ask_here(self, kind: str, args: Mapping[str, Any]) -> Answers:
        """Ask this node alone."""
        return Answers({self.node: await self._own_answer(kind, args)}, ())

    async def ask_one(self, node: str, kind: str, args: Mapping[str, Any]) -> bytes:
        """Ask the node of this name; its answer, as JSON.

        Raises:
            NodeUnknownError: no such node lives.
            NodeSilentError: it lives and did not answer in time.
            BrokerError: Redis is away, and another node is meant.
            NodesBusyError: as many questions as may wait do.
        """
        if node == self.node:
            return await self._own_answer(kind, args)
        if node not in await self._board.names():
            raise NodeUnknownError("no node of that name lives; `GET /api/v1/nodes` lists those that do")
        answers = await self._ask(kind, args, frozenset((node,)), node)
        if node not in answers.bodies:
            raise NodeSilentError(f"node {node} did not answer within {self._seconds:g} s; ask again")
        return answers.bodies[node]

    async def _own_answer(self, kind: str, args: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(await self._answerers[kind](args))

    async def _ask(self, kind: str, args: Mapping[str, Any], expected: frozenset[str], to: str | None) -> Answers:
        if not expected:
            return Answers({}, ())
        if self._waiting >= WAITING_QUESTIONS:
            raise NodesBusyError(f"{WAITING_QUESTIONS} questions to other nodes wait already; ask again in a second")
        self._waiting += 1
        try:
            async with self._turns:
                question = Question(secrets.token_hex(16), self.node, kind, dict(args), to)
                await self._board.ask(msgspec.json.encode(question))
                return await self._collect(question.id, expected)
        finally:
            self._waiting -= 1

    async def _collect(self, question: str, expected: frozenset[str]) -> Answers:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._seconds
        bodies: dict[str, bytes] = {}
        failed: set[str] = set()
        while (missing := expected - bodies.keys() - failed) and (left := deadline - loop.time()) > 0:
            payload = await self._board.next_answer(question, left)
            if payload is None:
                break
            try:
                answer = parse_answer(payload)
            except ValueError as error:
                _log.warning("an answer of a node cannot be read", why=str(error))
                continue
            if answer.node not in missing:
                continue
            if answer.error is None:
                bodies[answer.node] = bytes(answer.body)
            else:
                failed.add(answer.node)
                _log.warning("a node answered with an error", node=answer.node, why=answer.error)
        return Answers(bodies, tuple(sorted(expected - bodies.keys())))

    # --- answering ----------------------------------------------------------------------------------------------

    def hear(self, payload: bytes) -> None:
        """Take a question from the nodes' channel; returns at once, and is answered in the background."""
        try:
            question = parse_question(payload)
        except ValueError as error:
            _log.warning("a question to the nodes cannot be read", why=str(error))
            return
        if question.asker == self.node or question.to not in (None, self.node):
            return
        if len(self._answering) >= CONCURRENT_ANSWERS:
            _log.warning("too many questions of other nodes at a time; one is left unanswered", kind=question.kind)
            return
        task = asyncio.create_task(self._answer(question), name="node-answer")
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, question: Question) -> None:
        answer = msgspec.json.encode(await self._find_answer(question))
        if len(answer) > MAX_ANSWER_BYTES:
            answer = msgspec.json.encode(Answer(self.node, error=f"the answer is over {MAX_ANSWER_BYTES} bytes"))
        try:
            await self._board.answer(question.id, answer)
        except BrokerError as error:
            _log.warning("an answer to another node is lost", why=str(error))

    async def _find_answer(self, question: Question) -> Answer:
        answerer = self._answerers.get(question.kind)
        if answerer is None:
            return Answer(self.node, error="this node does not know such questions; it may be of another version")
        try:
            async with asyncio.timeout(self._seconds):
                return Answer(self.node, msgspec.Raw(msgspec.json.encode(await answerer(question.args))))
        except TimeoutError:
            return Answer(self.node, error="the answer took too long")
        except Exception as error:  # noqa: BLE001 - logged in full; the asker is to hear that there is none
            _log.exception("a question of another node could not be answered", kind=question.kind)
            return Answer(self.node, error=type(error).__name__)
