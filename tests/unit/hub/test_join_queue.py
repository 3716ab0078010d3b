from __future__ import annotations

import asyncio

import pytest

from gateway.errors import JoinQueueError
from gateway.hub.join_queue import PATIENCE_SECONDS, RETRY_SECONDS, JoinQueue
from tests.support.clock import FakeClock
from tests.support.settle import turns


class Storm:
    """Handshakes that come to a queue whose time stands still, and what became of them."""

    def __init__(self, rate: float) -> None:
        self.clock = FakeClock()
        self.queue = JoinQueue(rate, self.clock)
        self.served: list[str] = []
        self.refused: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def come(self, *names: str) -> None:
        """Names of staff begin with an s."""
        self.tasks += [asyncio.create_task(self._join(name)) for name in names]
        await turns(3)

    async def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.queue.tick()
        await turns(3)

    async def _join(self, name: str) -> None:
        try:
            await self.queue.turn(staff=name.startswith("s"))
            self.served.append(name)
        except JoinQueueError:
            self.refused.append(name)


async def test_what_is_below_the_rate_does_not_wait() -> None:
    storm = Storm(10)
    for number in range(20):
        await storm.come(f"d{number}")
        storm.clock.advance(0.1)
    assert len(storm.served) == 20


async def test_a_storm_is_served_at_the_rate_in_its_order() -> None:
    storm = Storm(10)
    names = [f"d{number}" for number in range(30)]
    await storm.come(*names)
    assert storm.served == names[:1]
    for second in range(1, 3):
        for _ in range(10):
            await storm.after(0.1)
        assert storm.served == names[: 1 + 10 * second]
    assert storm.queue.waiting == 9


async def test_staff_are_served_before_diners_who_came_earlier() -> None:
    storm = Storm(10)
    await storm.come("d0", "d1", "d2", "s1", "s2")
    for _ in range(5):
        await storm.after(0.1)
    assert storm.served == ["d0", "s1", "s2", "d1", "d2"]


async def test_who_cannot_be_served_in_time_is_refused_at_once_and_staff_still_are_not() -> None:
    storm = Storm(10)
    room = int(10 * PATIENCE_SECONDS)
    await storm.come(*(f"d{number}" for number in range(room + 3)))
    assert storm.refused == [f"d{room + 1}", f"d{room + 2}"]
    await storm.come("s1")
    await storm.after(0.1)
    assert storm.served == ["d0", "s1"]


async def test_who_has_waited_too_long_is_refused() -> None:
    storm = Storm(1)
    await storm.come("d0", "d1", "d2")
    storm.clock.advance(PATIENCE_SECONDS)
    await storm.come("s1")
    await storm.after(0)
    assert storm.served == ["d0", "s1"]
    assert storm.refused == ["d1", "d2"]


async def test_who_gave_up_takes_no_turn() -> None:
    storm = Storm(10)
    await storm.come("d0", "d1", "d2")
    storm.tasks[1].cancel()
    await turns(2)
    await storm.after(0.1)
    assert storm.served == ["d0", "d2"]
    assert storm.queue.waiting == 0


async def test_nought_is_unlimited() -> None:
    storm = Storm(0)
    await storm.come(*(f"d{number}" for number in range(1_000)))
    assert len(storm.served) == 1_000


async def test_the_timer_serves_without_help() -> None:
    from gateway.types import SystemClock  # noqa: PLC0415

    queue = JoinQueue(200, SystemClock())
    async with asyncio.timeout(10):
        await asyncio.gather(*(queue.turn(staff=False) for _ in range(40)))
    assert queue.waiting == 0


def test_those_who_are_turned_away_are_spread_out() -> None:
    queue = JoinQueue(1, FakeClock())
    waits = [queue.retry_after() for _ in range(200)]
    assert RETRY_SECONDS[0] <= min(waits) < 3
    assert 8 < max(waits) <= RETRY_SECONDS[1]


@pytest.mark.parametrize("rate", [0.1, 0.5])
async def test_a_rate_below_one_a_second_still_serves(rate: float) -> None:
    storm = Storm(rate)
    await storm.come("s0", "s1")
    assert storm.served == ["s0"]
    await storm.after(1 / rate)
    assert len(storm.served + storm.refused) == 2
