from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.errors import BrokerError
from gateway.fanout.base import Occupancy
from gateway.hub.holding import hold_both
from gateway.ingest.interest import Interest
from gateway.types import Room
from tests.support.settle import settle

ROOM, CHANNEL = Room(1, 5), "branch:5:kitchen"


class SlowRooms:
    """Keeps `RoomInterest`; confirms when the test says so."""

    def __init__(self) -> None:
        self.confirmed = asyncio.Event()
        self.away = False

    @asynccontextmanager
    async def hold(self, rooms: Sequence[Room]) -> AsyncIterator[None]:
        await self.confirmed.wait()
        if self.away:
            raise BrokerError("Redis is away")
        yield

    def position(self, room: Room) -> str | None:
        return None

    def on_rooms(self, occupied: Sequence[Room], vacated: Sequence[Room]) -> None:
        """Nothing follows it here."""


async def test_channels_are_asked_for_while_rooms_are_waited_for() -> None:
    interest, rooms = Interest(), SlowRooms()

    async def enter() -> None:
        async with hold_both(interest, [CHANNEL], rooms, [ROOM]):
            interest.on_occupancy(Occupancy(occupied=(CHANNEL,)))

    task = asyncio.create_task(enter())
    await settle()
    assert interest.wanted == 1
    rooms.confirmed.set()
    await settle()
    assert not task.done(), "the channel is not confirmed yet"
    task.cancel()


async def test_nothing_stays_wanted_when_the_rooms_cannot_be_held() -> None:
    interest, rooms = Interest(), SlowRooms()
    rooms.away = True
    rooms.confirmed.set()
    with pytest.raises(BrokerError):
        async with hold_both(interest, [CHANNEL], rooms, [ROOM]):
            pytest.fail("entered without its rooms")
    assert interest.wanted == 0
