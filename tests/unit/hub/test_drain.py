from __future__ import annotations

import asyncio
import json

import pytest

from gateway.hub.drain import SLICE, Drain
from tests.support.settle import turns
from tests.unit.hub.test_places import Counts


class Told(Counts):
    def __init__(self) -> None:
        super().__init__()
        self.hints = 0

    def on_reconnect_hints(self, connections: int) -> None:
        self.hints += connections


class Crowd:
    """The parts of a fan-out that a drain uses."""

    def __init__(self, connections: int) -> None:
        self.connections = connections
        self.sent: dict[int, float] = {}

    def stats(self) -> Crowd:
        return self

    def list(self, tenant: None, cursor: int, limit: int) -> tuple[list[Member], int]:
        ids = range(cursor + 1, min(cursor + limit, self.connections) + 1)
        return [Member(number) for number in ids], ids[-1] if ids and ids[-1] < self.connections else 0

    def send(self, connection: int, text: str) -> bool:
        message = json.loads(text)
        assert message.keys() == {"type", "after"}
        assert message["type"] == "reconnect"
        self.sent[connection] = message["after"]
        return True


class Member:
    def __init__(self, connection: int) -> None:
        self.connection = connection


async def test_everybody_is_told_another_time_spread_evenly_over_the_span() -> None:
    crowd, told = Crowd(SLICE * 3 + 7), Told()
    task = asyncio.create_task(Drain(crowd, told).send_away(8))
    await turns(10)
    assert not task.done()
    crowd.connections = 0
    await task
    assert len(crowd.sent) == told.hints == SLICE * 3 + 7
    for eighth in range(8):
        share = sum(eighth <= after < eighth + 1 for after in crowd.sent.values())
        assert share == pytest.approx(len(crowd.sent) / 8, abs=2)


async def test_nobody_there_is_not_waited_for() -> None:
    async with asyncio.timeout(1):
        await Drain(Crowd(0), Told()).send_away(60)


async def test_a_hurry_ends_the_wait() -> None:
    crowd = Crowd(3)
    drain = Drain(crowd, Told())
    task = asyncio.create_task(drain.send_away(60))
    await turns(5)
    drain.hurry()
    async with asyncio.timeout(1):
        await task
    assert len(crowd.sent) == 3


async def test_a_drain_that_is_to_be_at_once_tells_nobody() -> None:
    crowd = Crowd(3)
    drain = Drain(crowd, Told())
    drain.hurry()
    async with asyncio.timeout(1):
        await drain.send_away(60)
    assert crowd.sent == {}


async def test_the_span_is_the_longest_wait() -> None:
    async with asyncio.timeout(5):
        await Drain(Crowd(3), Told()).send_away(0.05)
