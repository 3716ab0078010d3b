from __future__ import annotations

import asyncio

import pytest

from gateway.fanout.timekeeper import Timekeeper
from tests.support.settle import settle


async def test_ticks_at_once_for_a_deadline_that_has_become_nearer() -> None:
    ticks: list[None] = []
    timekeeper = Timekeeper(lambda: ticks.append(None), lambda: None)
    timekeeper.start()
    await settle()
    assert ticks == []
    timekeeper.look_again()
    await settle()
    assert len(ticks) == 1
    await timekeeper.stop()


async def test_a_tick_that_fails_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    ticks: list[None] = []

    def tick() -> None:
        ticks.append(None)
        raise ZeroDivisionError

    timekeeper = Timekeeper(tick, lambda: None)
    timekeeper.start()
    for _ in range(3):
        await settle()
        timekeeper.look_again()
    await settle()
    assert len(ticks) == 3
    assert "going on with the next deadline" in caplog.text
    await timekeeper.stop()


async def test_a_deadline_that_is_there_ticks_by_itself() -> None:
    ticked = asyncio.Event()
    timekeeper = Timekeeper(ticked.set, lambda: 0.0)
    timekeeper.start()
    async with asyncio.timeout(10.0):
        await ticked.wait()
    await timekeeper.stop()


async def test_stop_leaves_no_task_and_may_come_without_a_start() -> None:
    before = asyncio.all_tasks()
    timekeeper = Timekeeper(lambda: None, lambda: None)
    await timekeeper.stop()
    timekeeper.start()
    await timekeeper.stop()
    assert asyncio.all_tasks() == before
