from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.errors import BrokerError
from gateway.fanout.base import Occupancy
from gateway.ingest.interest import CHANNELS_PER_COMMAND, Interest
from gateway.protocol.audiences import PATTERNS
from tests.support.fake_pubsub import FakePubSubConnection
from tests.support.settle import settle

KITCHEN, ADMIN = "branch:5:kitchen", "branch:5:admin"


@asynccontextmanager
async def followed(interest: Interest) -> AsyncIterator[FakePubSubConnection]:
    """A connection on which the interest's commands are written; its answers must be passed on by `confirm`."""
    connection = FakePubSubConnection()
    interest.begin()
    task = asyncio.create_task(interest.follow(connection))
    await settle()
    try:
        yield connection
    finally:
        task.cancel()
        await asyncio.wait({task})
        interest.lost()


def occupy(interest: Interest, *names: str) -> None:
    interest.on_occupancy(Occupancy(occupied=names))


def vacate(interest: Interest, *names: str) -> None:
    interest.on_occupancy(Occupancy(vacated=names))


async def test_a_hold_lets_in_only_when_every_channel_is_confirmed() -> None:
    interest = Interest()
    inside = False

    async def admit() -> None:
        nonlocal inside
        async with interest.hold([KITCHEN, ADMIN]):
            inside = True

    async with followed(interest) as connection:
        admission = asyncio.create_task(admit())
        await settle()
        [(command, names)] = connection.commands
        assert (command, set(names)) == ("subscribe", {KITCHEN, ADMIN})
        interest.confirm(connection.answer(1))
        await settle()
        assert not inside
        interest.confirm(connection.answer(1))
        await admission
        assert inside


async def test_a_confirmation_that_an_unsubscription_follows_proves_nothing() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        for change in (occupy, vacate, occupy):
            change(interest, KITCHEN)
            await settle()
        assert [command for command, _ in connection.commands] == ["subscribe", "unsubscribe", "subscribe"]
        hold = asyncio.create_task(interest.hold([KITCHEN]).__aenter__())
        await settle()
        interest.confirm(connection.answer(1))
        await settle()
        assert not hold.done(), "the first subscription is over by now, as far as the server is concerned"
        interest.confirm(connection.answer(2))
        await hold


async def test_channels_are_kept_by_whoever_needs_them_last() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        occupy(interest, KITCHEN)  # one room's
        occupy(interest, KITCHEN)  # another tenant's of the same name
        await settle()
        interest.confirm(connection.answer())
        vacate(interest, KITCHEN)
        await settle()
        assert connection.written == {KITCHEN}
        async with interest.hold([KITCHEN]):
            vacate(interest, KITCHEN)
            await settle()
            assert connection.written == {KITCHEN}
        await settle()
        assert connection.written == set()


async def test_changes_of_one_turn_are_one_command_and_those_that_cancel_out_are_none() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        for number in range(100):
            occupy(interest, f"session:{number}")
            vacate(interest, f"session:{number}")
            occupy(interest, f"session:{1_000 + number}")
        await settle()
        [(command, names)] = connection.commands
        assert command == "subscribe"
        assert sorted(names) == sorted(f"session:{1_000 + number}" for number in range(100))


async def test_what_is_subscribed_already_is_not_subscribed_again() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        occupy(interest, KITCHEN)
        await settle()
        vacate(interest, KITCHEN)
        occupy(interest, KITCHEN)
        await settle()
        assert connection.commands == [("subscribe", (KITCHEN,))]


async def test_a_name_that_one_room_leaves_and_another_enters_in_one_change_stays() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        occupy(interest, KITCHEN)
        await settle()
        interest.on_occupancy(Occupancy(occupied=(KITCHEN,), vacated=(KITCHEN,)))
        await settle()
        assert connection.commands == [("subscribe", (KITCHEN,))]


async def test_the_core_may_report_occupancy_a_turn_after_the_hold_has_ended() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        entering = asyncio.create_task(interest.hold([KITCHEN]).__aenter__())
        await settle()
        interest.confirm(connection.answer())
        await entering
        async with interest.hold([KITCHEN]):
            asyncio.get_running_loop().call_soon(occupy, interest, KITCHEN)
        await settle()
        assert connection.commands == [("subscribe", (KITCHEN,))]


async def test_a_hold_that_comes_while_the_end_is_being_written_is_not_fooled() -> None:
    """The channel is about to be unsubscribed in the same flush that waits for a full socket to drain."""
    interest = Interest()
    async with followed(interest) as connection:
        occupy(interest, KITCHEN)
        await settle()
        interest.confirm(connection.answer())
        connection.stall()
        vacate(interest, KITCHEN)
        occupy(interest, ADMIN)
        await settle()  # SUBSCRIBE of the admin channel is written and waits; UNSUBSCRIBE comes behind it
        assert connection.commands[-1] == ("subscribe", (ADMIN,))
        async with interest.hold([KITCHEN]):
            connection.flow()
            await settle()
            assert KITCHEN in connection.written
            assert all(command == "subscribe" for command, _ in connection.commands)


async def test_a_new_connection_gets_everything_that_is_wanted_and_old_confirmations_are_void() -> None:
    interest = Interest()
    async with followed(interest) as connection:
        occupy(interest, KITCHEN, ADMIN)
        await settle()
        interest.confirm(connection.answer())
        assert interest.confirmed == 2
    assert (interest.wanted, interest.confirmed) == (2, 0)
    vacate(interest, ADMIN)
    async with followed(interest) as connection:
        assert connection.commands == [("subscribe", (KITCHEN,))]
        hold = asyncio.create_task(interest.hold([KITCHEN]).__aenter__())
        await settle()
        assert not hold.done()
        interest.confirm(connection.answer())
        await hold


async def test_a_hold_outlives_a_reconnect() -> None:
    interest = Interest()
    hold = asyncio.create_task(interest.hold([KITCHEN, ADMIN]).__aenter__())
    async with followed(interest) as connection:
        interest.confirm(connection.answer(1))
        await settle()
    async with followed(interest) as connection:
        interest.confirm(connection.answer(1))
        await settle()
        assert not hold.done(), "the first channel's confirmation went with the first connection"
        interest.confirm(connection.answer(1))
        await hold


async def test_without_a_confirmation_a_hold_ends_in_an_error_and_leaves_nothing_held() -> None:
    interest = Interest(timeout=0)
    with pytest.raises(BrokerError, match="did not confirm the subscription of 1 channels within 0 s"):
        async with interest.hold([KITCHEN]):
            pytest.fail("let in without a confirmation")
    assert interest.wanted == 0
    assert not interest._waiting


@pytest.mark.parametrize("late", [False, True], ids=["waiting", "inside"])
async def test_a_cancelled_hold_leaves_nothing_behind(late: bool) -> None:
    interest = Interest()

    async def admit() -> None:
        async with interest.hold([KITCHEN]):
            await asyncio.Event().wait()

    async with followed(interest) as connection:
        admission = asyncio.create_task(admit())
        await settle()
        if late:
            interest.confirm(connection.answer())
            await settle()
        admission.cancel()
        with pytest.raises(asyncio.CancelledError):
            await admission
        await settle()
        assert interest.wanted == 0
        assert not interest._waiting
        assert connection.written == set()


async def test_very_many_channels_go_in_several_commands() -> None:
    interest = Interest()
    names = [f"session:{number}" for number in range(1, CHANNELS_PER_COMMAND * 2 + 2)]
    occupy(interest, *names)
    async with followed(interest) as connection:
        assert [len(names) for _, names in connection.commands] == [CHANNELS_PER_COMMAND, CHANNELS_PER_COMMAND, 1]
        assert connection.written == set(names)


async def test_with_patterns_occupancy_changes_nothing_and_a_hold_waits_for_the_patterns() -> None:
    interest = Interest(patterns=PATTERNS)
    async with followed(interest) as connection:
        assert [command for command, _ in connection.commands] == ["psubscribe"]
        assert connection.written == set(PATTERNS)
        hold = asyncio.create_task(interest.hold([KITCHEN]).__aenter__())
        await settle()
        assert not hold.done()
        interest.confirm(connection.answer())
        await hold
        occupy(interest, KITCHEN)
        vacate(interest, KITCHEN)
        await settle()
        assert len(connection.commands) == 1


async def test_a_vacancy_without_an_occupation_is_logged_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    interest = Interest()
    vacate(interest, KITCHEN)
    assert "vacated that was not occupied" in caplog.text
    occupy(interest, KITCHEN)
    assert interest.wanted == 1
