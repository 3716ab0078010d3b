from __future__ import annotations

import asyncio

from gateway.telemetry.loop_lag import PERIOD, LoopLag
from tests.support.clock import FakeClock
from tests.support.settle import settle


async def test_what_is_observed_is_by_how_much_it_woke_too_late() -> None:
    clock = FakeClock()
    late = asyncio.Queue[float]()
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        clock.advance(seconds + await late.get())

    lag = LoopLag(seen.append, clock, sleep=sleep)
    lag.start()
    for seconds in (0.0, 0.25, -0.001):
        late.put_nowait(seconds)
    await settle()
    assert [round(one, 6) for one in seen] == [0.0, 0.25, 0.0], "timers may fire a clock tick early"
    assert clock.monotonic() == 1_000.0 + 3 * PERIOD + 0.249
    await lag.stop()
    await lag.stop()
