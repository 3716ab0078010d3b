"""The board by which nodes ask each other, on Redis of every kind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_nodes import RedisNodeBoard
from gateway.protocol.node_keys import NODES_CHANNEL, ROSTER, answers_key
from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.types import SystemClock
from tests.support.kinds import Place


@pytest.fixture
async def commands(place: Place) -> AsyncIterator[RedisCommands]:
    opened = RedisCommands(place.url, CircuitBreaker("commands", SystemClock()))
    yield opened
    await opened.close()


@pytest.fixture
def board(commands: RedisCommands) -> RedisNodeBoard:
    return RedisNodeBoard(commands)


async def test_a_name_stands_until_it_is_taken_off(board: RedisNodeBoard) -> None:
    one, other = secrets.token_hex(4), secrets.token_hex(4)
    await board.enter(one)
    await board.enter(other)
    await board.enter(one)
    assert {one, other} <= await board.names()
    await board.leave(one)
    names = await board.names()
    assert one not in names
    assert other in names
    await board.leave(other)


async def test_a_name_lapses_and_so_does_the_roster(commands: RedisCommands) -> None:
    board = RedisNodeBoard(commands, lease=0.2)
    await board.enter("mayfly")
    async with asyncio.timeout(10):
        while "mayfly" in await board.names():
            await asyncio.sleep(0.02)
    async with commands.asking() as client:
        assert await client.pttl(ROSTER) <= 30_000


async def test_answers_are_taken_in_order_and_lapse(board: RedisNodeBoard, commands: RedisCommands) -> None:
    question = secrets.token_hex(16)
    assert await board.next_answer(question, 0.05) is None
    await board.answer(question, b"one")
    await board.answer(question, b"\xff\x00")
    async with commands.asking() as client:
        assert 0 < await client.ttl(answers_key(question)) <= 10
    assert await board.next_answer(question, 1.0) == b"one"
    assert await board.next_answer(question, 1.0) == b"\xff\x00"
    assert await board.next_answer(secrets.token_hex(16), 0.0) is None


async def test_an_answer_that_comes_later_is_waited_for(board: RedisNodeBoard) -> None:
    question = secrets.token_hex(16)
    waiting = asyncio.ensure_future(board.next_answer(question, 10.0))
    await asyncio.sleep(0.05)
    await board.answer(question, b"late")
    assert await waiting == b"late"


async def test_a_question_is_heard_by_who_listens(board: RedisNodeBoard, commands: RedisCommands) -> None:
    pubsub = await commands.pubsub()
    try:
        await pubsub.subscribe([NODES_CHANNEL])
        async with asyncio.timeout(10):
            while NODES_CHANNEL not in (await pubsub.read()).subscribed:
                pass
            await board.ask(b"what?")
            while not (messages := (await pubsub.read()).messages):
                pass
        assert messages[0] == (NODES_CHANNEL, b"what?")
    finally:
        await pubsub.close()
