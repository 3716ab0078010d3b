from __future__ import annotations

import asyncio

import pytest

from gateway.client.inbox import Inbox, Message
from gateway.client.messages import Event, Throttled
from tests.support.settle import settle


class Shelf:
    """What has been saved, and an inbox that saves there."""

    def __init__(self, size: int = 100) -> None:
        self.saved: list[dict[str, str]] = []
        self.inbox = Inbox(size, self._save)

    async def _save(self, positions: dict[str, str]) -> None:
        self.saved.append(positions)


def event(number: int) -> Message:
    return Event("ROUND_READY", {"n": number}, f'{{"n":{number}}}')


async def test_messages_come_in_order_and_are_waited_for() -> None:
    inbox = Shelf().inbox
    waiting = asyncio.create_task(inbox.get())
    await settle()
    inbox.put(event(1))
    inbox.put(event(2))
    assert (await waiting, await inbox.get()) == (event(1), event(2))


async def test_positions_are_saved_when_the_reader_comes_back_and_not_before() -> None:
    shelf = Shelf()
    shelf.inbox.put(event(1))
    shelf.inbox.mark({"5": "1-0/aaaaaaaa"})
    shelf.inbox.put(event(2))
    await shelf.inbox.get()
    assert shelf.saved == []
    await shelf.inbox.get()
    assert shelf.saved == [{"5": "1-0/aaaaaaaa"}]


async def test_positions_that_nothing_stands_before_are_saved_while_the_reader_waits() -> None:
    shelf = Shelf()
    waiting = asyncio.create_task(shelf.inbox.get())
    shelf.inbox.mark({"5": "1-0/aaaaaaaa"})
    await settle()
    assert shelf.saved == [{"5": "1-0/aaaaaaaa"}]
    shelf.inbox.put(event(1))
    assert await waiting == event(1)


async def test_of_neighbouring_positions_the_last_is_saved() -> None:
    shelf = Shelf()
    for number in range(3):
        shelf.inbox.mark({"5": f"{number}-0/aaaaaaaa"})
    shelf.inbox.put(event(1))
    await shelf.inbox.get()
    assert shelf.saved == [{"5": "2-0/aaaaaaaa"}]


async def test_it_is_full_at_its_size_and_has_room_when_half_of_it_is_taken() -> None:
    inbox = Shelf(4).inbox
    for number in range(3):
        inbox.put(event(number))
    assert not inbox.full
    inbox.put(event(3))
    assert inbox.full
    room = asyncio.create_task(inbox.room())
    await inbox.get()
    await settle()
    assert not room.done()
    await inbox.get()
    await room
    assert not inbox.full


async def test_its_end_comes_after_what_is_there_or_instead() -> None:
    inbox = Shelf().inbox
    inbox.put(event(1))
    inbox.end(ValueError("first"))
    inbox.end(ValueError("second"))
    assert await inbox.get() == event(1)
    for _ in range(2):
        with pytest.raises(ValueError, match="first"):
            await inbox.get()
    inbox = Shelf().inbox
    inbox.put(Throttled(1))
    inbox.end(ValueError("at once"), at_once=True)
    with pytest.raises(ValueError, match="at once"):
        await inbox.get()
