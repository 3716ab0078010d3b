"""Nodes that ask each other: who is asked, who is waited for, and what nobody can do by asking oddly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from gateway.errors import BrokerError, NodesBusyError, NodeSilentError, NodeUnknownError
from gateway.hub import node_talk
from gateway.hub.node_question import MAX_ANSWER_BYTES, Answer, Answers
from gateway.hub.node_talk import NodeTalk
from tests.support.memory_board import MemoryBoard
from tests.support.settle import settle

SHORT = 0.05
QUESTION = {"id": "0" * 32, "asker": "elsewhere", "kind": "name", "args": {}}


async def for_ever(_seconds: float) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def talking(board: MemoryBoard, *names: str, seconds: float = 5.0) -> AsyncIterator[list[NodeTalk]]:
    """Nodes that are entered, and answer `name` with their names and `echo` with what they are asked."""
    talks = []
    for name in names:
        talk = NodeTalk(name, board, seconds=seconds, sleep=for_ever)

        async def say(_args: Mapping[str, Any], name: str = name) -> str:
            return name

        async def echo(args: Mapping[str, Any]) -> Mapping[str, Any]:
            return args

        talk.answer_with("name", say)
        talk.answer_with("echo", echo)
        board.talks.append(talk)
        await talk.start()
        talks.append(talk)
    await settle()
    try:
        yield talks
    finally:
        for talk in talks:
            await talk.stop()


def said(answers: Answers) -> dict[str, Any]:
    return {node: json.loads(body) for node, body in answers.bodies.items()}


async def test_everybody_that_lives_is_asked() -> None:
    async with talking(MemoryBoard(), "a", "b", "c") as (first, *_):
        answers = await first.ask_all("name", {})
        assert said(answers) == {"a": "a", "b": "b", "c": "c"}
        assert answers.silent == ()
        assert said(await first.ask_here("echo", {"x": [1]})) == {"a": {"x": [1]}}


async def test_one_is_asked_and_no_other_answers() -> None:
    board = MemoryBoard()
    async with talking(board, "a", "b", "c") as (first, *_):
        assert await first.ask_one("b", "echo", {"n": 7}) == b'{"n":7}'
        assert json.loads(board.asked[0])["to"] == "b"
        assert await first.ask_one("a", "name", {}) == b'"a"'
        assert len(board.asked) == 1, "of itself it asks nobody"


async def test_a_node_that_does_not_answer_is_named_and_not_waited_for_long() -> None:
    board = MemoryBoard()
    board.expected = {"dead", "gone"}
    async with talking(board, "a", "b", seconds=SHORT) as (first, _):
        answers = await first.ask_all("name", {})
        assert said(answers) == {"a": "a", "b": "b"}
        assert answers.silent == ("dead", "gone")
        with pytest.raises(NodeSilentError):
            await first.ask_one("dead", "name", {})
        with pytest.raises(NodeUnknownError):
            await first.ask_one("nobody", "name", {})


async def test_without_others_nothing_is_asked_and_without_redis_it_still_knows_itself() -> None:
    board = MemoryBoard()
    async with talking(board, "a") as (alone,):
        assert said(await alone.ask_all("name", {})) == {"a": "a"}
        assert board.asked == []
        board.away = True
        assert said(await alone.ask_here("name", {})) == {"a": "a"}
        with pytest.raises(BrokerError):
            await alone.ask_all("name", {})
        board.away = False


async def test_an_answer_that_fails_is_silence_and_says_no_more_than_its_kind() -> None:
    async with talking(MemoryBoard(), "a", "b") as (first, second):

        async def fail(_args: Mapping[str, Any]) -> None:
            raise RuntimeError("with a secret")

        async def fine(_args: Mapping[str, Any]) -> int:
            return 1

        first.answer_with("odd", fine)
        answers = await first.ask_all("odd", {})
        assert (said(answers), answers.silent) == ({"a": 1}, ("b",)), "a kind that it does not know"
        second.answer_with("odd", fail)
        assert (await first.ask_all("odd", {})).silent == ("b",)


async def test_an_answer_that_is_too_long_is_not_sent() -> None:
    async with talking(MemoryBoard(), "a", "b") as (first, second):

        async def much(_args: Mapping[str, Any]) -> str:
            return "x" * MAX_ANSWER_BYTES

        first.answer_with("much", much)
        second.answer_with("much", much)
        assert (await first.ask_all("much", {})).silent == ("b",)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"},
        {"id": "0" * 31},
        {"asker": "a b"},
        {"asker": "x" * 65},
        {"kind": "k" * 65},
        {"kind": None},
        {"args": []},
        {"to": 5},
    ],
)
async def test_what_is_no_question_is_not_answered(change: dict[str, Any]) -> None:
    board = MemoryBoard()
    async with talking(board, "a") as (talk,):
        talk.hear(json.dumps(QUESTION | change).encode())
        await settle()
        assert await board.next_answer(QUESTION["id"], 0.0) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"null", b"[" * 10_000, b'{"id":'])
async def test_what_is_not_even_json_ends_nothing(payload: bytes) -> None:
    board = MemoryBoard()
    async with talking(board, "a", "b") as (first, _):
        first.hear(payload)
        assert said(await first.ask_all("name", {})) == {"a": "a", "b": "b"}


async def test_a_flood_of_questions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_talk, "CONCURRENT_ANSWERS", 3)
    board = MemoryBoard()
    async with talking(board, "a") as (talk,):
        begun = 0
        release = asyncio.Event()

        async def slow(_args: Mapping[str, Any]) -> int:
            nonlocal begun
            begun += 1
            await release.wait()
            return 1

        talk.answer_with("name", slow)
        for number in range(10):
            talk.hear(json.dumps(QUESTION | {"id": f"{number:032x}"}).encode())
        await settle()
        assert begun == 3
        release.set()
        await settle()
        talk.hear(json.dumps(QUESTION).encode())
        await settle()
        assert begun == 4, "there is room again"


async def test_too_many_questions_of_its_own_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_talk, "WAITING_QUESTIONS", 5)
    board = MemoryBoard()
    board.expected = {"dead"}
    async with talking(board, "a", seconds=SHORT) as (talk,):
        results = await asyncio.gather(*(talk.ask_all("name", {}) for _ in range(8)), return_exceptions=True)
        assert sum(isinstance(result, NodesBusyError) for result in results) == 3
        assert sum(isinstance(result, Answers) for result in results) == 5
        assert (await talk.ask_all("name", {})).silent == ("dead",), "and afterwards it goes on"


async def test_answers_that_nobody_should_have_sent_are_left_out() -> None:
    board = MemoryBoard()
    board.expected = {"dead"}
    async with talking(board, "a", seconds=SHORT) as (talk,):
        asking = asyncio.ensure_future(talk.ask_all("name", {}))
        await settle()
        question = json.loads(board.asked[0])["id"]
        for answer in (b"\xff", b"[]", msgspec.json.encode(Answer("stranger", msgspec.Raw(b"1")))):
            await board.answer(question, answer)
        answers = await asking
        assert (said(answers), answers.silent) == ({"a": "a"}, ("dead",))


def test_an_answer_of_another_kind_is_as_good_as_none() -> None:
    answers = Answers({"b": b'{"x":1}', "a": b"7"}, ("d",))
    assert answers.read(int) == ({"a": 7}, ("b", "d"))
    assert answers.read(dict[str, int]) == ({"b": {"x": 1}}, ("a", "d"))


async def test_its_name_stands_while_it_lives() -> None:
    board = MemoryBoard()
    waits: list[float] = []
    wake = asyncio.Queue[None]()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await wake.get()

    talk = NodeTalk("a", board, sleep=sleep)
    await talk.start()
    await talk.start()
    await settle()
    assert board.entered == ["a"]
    board.away = True
    wake.put_nowait(None)
    await settle()
    board.away = False
    wake.put_nowait(None)
    await settle()
    assert board.entered == ["a", "a"]
    assert waits == [node_talk.ENTER_SECONDS] * 3
    await talk.stop()
    assert await board.names() == frozenset()
    await talk.stop()
