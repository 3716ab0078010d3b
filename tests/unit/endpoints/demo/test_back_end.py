"""One flood at a time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.endpoints.demo.back_end import BackEnd, FloodingError
from tests.support.clock import FakeClock
from tests.support.demo_page import NotingPublisher


class SlowPublisher(NotingPublisher):
    """Publishes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def publish(self, channel: str, event: dict[str, object]) -> int:
        await self.let.wait()
        return await super().publish(channel, event)


async def test_a_second_flood_is_refused_while_the_first_goes_on_and_not_after() -> None:
    publisher = SlowPublisher()
    back_end = BackEnd(publisher, "redis://127.0.0.1:6379/0", FakeClock())
    first = asyncio.create_task(back_end.flood(2))
    await asyncio.sleep(0)
    with pytest.raises(FloodingError, match="under way"):
        await back_end.flood(1)
    publisher.let.set()
    await first
    await back_end.flood(1)
    assert len(publisher.published) == 3
