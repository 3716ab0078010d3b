from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import BrokerError
from gateway.ingest.interest import Interest
from gateway.ingest.live_interest import LINGER_SECONDS, LiveInterest
from gateway.ingest.room_cursor import RoomCursor
from gateway.protocol.keys import live_channel
from gateway.protocol.positions import ZERO
from gateway.types import Room
from tests.support.clock import FakeClock
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle

ROOM, OTHER = Room(7, 5), Room(7, 6)
CHANNEL, OTHER_CHANNEL = live_channel(ROOM), live_channel(OTHER)


class Rig:
    """An interest whose connection the test answers, and whose heads the test gives."""

    def __init__(self, timeout: float = 3_600) -> None:
        self.clock = FakeClock()
        self.interest = LiveInterest(self.clock, timeout=timeout)
        self.connection = FakePubSubConnection()

    async def confirm(self) -> None:
        await settle()
        batch = self.connection.answer()
        self.interest.channels.confirm(batch)
        self.interest.on_confirmed(batch.subscribed)
        await settle()

    async def adopt_due(self) -> list[RoomCursor]:
        async with asyncio.timeout(5):
            due = await self.interest.due()
        for cursor in due:
            cursor.adopt(ZERO)
            cursor.follow()
            self.interest.adopted(cursor)
        await settle()
        return due


@asynccontextmanager
async def followed(timeout: float = 3_600) -> AsyncIterator[Rig]:
    rig = Rig(timeout)
    rig.interest.channels.begin()
    task = asyncio.create_task(rig.interest.channels.follow(rig.connection))
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_hold_waits_for_the_sharded_subscription_and_then_for_the_position() -> None:
    async with followed() as rig:
        hold = rig.interest.hold([ROOM, OTHER, ROOM])
        entering = asyncio.create_task(hold.__aenter__())
        await settle()
        [(command, channels)] = rig.connection.commands
        assert (command, set(channels)) == ("ssubscribe", {CHANNEL, OTHER_CHANNEL})
        await rig.confirm()
        assert not entering.done(), "the head is read after the subscription is confirmed, and not before"
        assert {cursor.room for cursor in await rig.adopt_due()} == {ROOM, OTHER}
        await entering
        assert rig.interest.position(ROOM) == ZERO
        await hold.__aexit__(None, None, None)


async def test_a_room_that_is_followed_already_lets_in_at_once() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        await rig.confirm()
        await rig.adopt_due()
        async with rig.interest.hold([ROOM]):
            pass
        assert len(rig.connection.commands) == 1


async def test_an_emptied_room_is_left_a_minute_later_and_not_before() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM, OTHER], [])
        await rig.confirm()
        rig.interest.on_rooms([], [ROOM])
        assert rig.interest.seconds_to_expiry() == LINGER_SECONDS
        rig.clock.advance(LINGER_SECONDS - 0.001)
        rig.interest.expire()
        await settle()
        assert len(rig.connection.commands) == 1
        assert rig.interest.position(ROOM) is None
        rig.clock.advance(0.001)
        assert rig.interest.seconds_to_expiry() == pytest.approx(0, abs=1e-6)
        rig.clock.advance(0.001)
        rig.interest.expire()
        await settle()
        assert rig.connection.commands[1:] == [("sunsubscribe", (CHANNEL,))]
        assert rig.interest.rooms == 1
        assert rig.interest.seconds_to_expiry() == math.inf


async def test_who_comes_back_within_the_minute_costs_nothing_and_finds_the_cursor() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        await rig.confirm()
        [cursor] = await rig.adopt_due()
        rig.interest.on_rooms([], [ROOM])
        rig.clock.advance(LINGER_SECONDS - 1)
        async with rig.interest.hold([ROOM]):
            rig.clock.advance(LINGER_SECONDS)
            rig.interest.expire()
            assert rig.interest.cursor(CHANNEL) is cursor
        assert len(rig.connection.commands) == 1


async def test_rooms_that_linger_are_left_in_the_order_of_their_deadlines() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM, OTHER], [])
        rig.interest.on_rooms([], [ROOM])
        rig.clock.advance(10)
        rig.interest.on_rooms([], [OTHER])
        rig.clock.advance(10)
        rig.interest.on_rooms([ROOM], [])
        rig.interest.on_rooms([], [ROOM])
        assert rig.interest.seconds_to_expiry() == LINGER_SECONDS - 10
        rig.clock.advance(LINGER_SECONDS - 10)
        rig.interest.expire()
        assert rig.interest.cursor(OTHER_CHANNEL) is None
        assert rig.interest.cursor(CHANNEL) is not None


async def test_the_core_may_report_a_room_a_turn_after_the_hold_has_ended() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        await rig.confirm()
        await rig.adopt_due()
        rig.interest.on_rooms([], [ROOM])
        async with rig.interest.hold([ROOM]):
            asyncio.get_running_loop().call_soon(rig.interest.on_rooms, [ROOM], [])
        await settle()
        assert rig.interest.seconds_to_expiry() == math.inf


@pytest.mark.parametrize("order", ["occupied first", "vacated first"])
async def test_a_report_that_empties_and_fills_a_room_leaves_it_followed(order: str) -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        if order == "occupied first":
            rig.interest.on_rooms([ROOM], [])
            rig.interest.on_rooms([], [ROOM])
        else:
            rig.interest.on_rooms([ROOM], [ROOM])
        assert rig.interest.seconds_to_expiry() == math.inf
        assert rig.interest.rooms == 1


async def test_a_room_that_is_entered_again_before_its_end_is_written_gets_a_new_cursor_and_its_head() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        await rig.confirm()
        [old] = await rig.adopt_due()
        rig.interest.on_rooms([], [ROOM])
        rig.clock.advance(LINGER_SECONDS)
        rig.interest.expire()
        rig.interest.on_rooms([ROOM], [])  # in the same turn: no command is written
        [new] = await rig.adopt_due()
        assert new is not old
        assert rig.interest.cursor(CHANNEL) is new
        assert len(rig.connection.commands) == 1


async def test_a_room_that_is_due_is_not_given_once_it_is_left_or_its_subscription_is_lost() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM, OTHER], [])
        await rig.confirm()
        rig.interest.on_rooms([], [ROOM])
        rig.clock.advance(LINGER_SECONDS)
        rig.interest.expire()
        assert [cursor.room for cursor in await rig.interest.due()] == [OTHER]
        cursor = rig.interest.cursor(OTHER_CHANNEL)
        assert cursor is not None
        rig.interest.channels.lost()
        rig.interest.make_due(cursor)
        waiting = asyncio.create_task(rig.interest.due())
        await settle()
        assert not waiting.done()
        assert rig.interest.confirmed_cursors() == []
        waiting.cancel()
        await asyncio.wait({waiting})


async def test_without_a_position_a_hold_ends_in_an_error_and_the_room_only_lingers() -> None:
    async with followed(timeout=0.01) as rig:

        async def admit() -> None:
            async with rig.interest.hold([ROOM]):
                pytest.fail("let in without a position")

        admission = asyncio.create_task(admit())
        await rig.confirm()
        with pytest.raises(BrokerError, match="did not give the positions of 1 rooms"):
            await admission
        assert rig.interest.seconds_to_expiry() == LINGER_SECONDS


async def test_without_a_subscription_a_hold_ends_in_an_error() -> None:
    interest = LiveInterest(FakeClock(), timeout=0)
    with pytest.raises(BrokerError, match="did not confirm"):
        async with interest.hold([ROOM]):
            pytest.fail("let in without a subscription")


async def test_a_cancelled_hold_leaves_a_room_that_lingers() -> None:
    async with followed() as rig:
        entering = asyncio.create_task(rig.interest.hold([ROOM]).__aenter__())
        await settle()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
        rig.clock.advance(LINGER_SECONDS)
        rig.interest.expire()
        assert rig.interest.rooms == 0
        assert rig.interest.channels.wanted == 0


async def test_a_vacancy_without_an_occupation_is_logged_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    interest = LiveInterest(FakeClock())
    interest.on_rooms([], [ROOM])
    assert "vacated that was not occupied" in caplog.text
    assert interest.rooms == 0
    interest.on_rooms([ROOM], [])
    assert interest.rooms == 1


async def test_sharded_channels_have_no_patterns() -> None:
    with pytest.raises(ValueError, match="cannot be subscribed by pattern"):
        Interest(patterns=["a*"], sharded=True)


async def test_a_subscription_that_the_server_ends_by_itself_is_asked_for_again() -> None:
    async with followed() as rig:
        rig.interest.on_rooms([ROOM], [])
        await rig.confirm()
        rig.interest.channels.confirm(rig.connection.end(CHANNEL))
        assert not rig.interest.channels.is_confirmed(CHANNEL)
        await rig.confirm()
        assert rig.interest.channels.is_confirmed(CHANNEL)
        assert [command for command, _ in rig.connection.commands] == ["ssubscribe", "ssubscribe"]
