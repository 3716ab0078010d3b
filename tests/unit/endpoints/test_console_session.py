"""An operator who reads too slowly is slow for itself: events go on, what it misses is counted, and it is given up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.endpoints.api.keys import KeyHolder, Scope
from gateway.endpoints.console import socket
from gateway.endpoints.console.desk import FRESH_SECONDS, MAX_SOCKETS, Desk
from gateway.endpoints.console.tail import SHOWN_PER_SECOND, WAITING
from gateway.fanout.base import Submission
from gateway.hub.slow_clients import KEPT, SlowClient, SlowClients
from gateway.ingest.tap import EventTap
from gateway.types import Room
from tests.support.clock import FakeClock

EVENT = Submission(Room(1, 5), ("branch:5:kitchen",), b'{"type":"ROUND_READY","tenant_id":1,"branch_id":5}')

HOLDER = KeyHolder("dashboard", frozenset({Scope.READ}))


class Fanout:
    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        return [True] * len(items)


class SlowPage:
    """Takes messages until it is told to stall, and asks for a tail."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.asked: asyncio.Queue[str] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.closed: int | None = None

    async def receive(self) -> dict[str, Any]:
        return {"type": "websocket.receive", "text": await self.asked.get()}

    async def send_text(self, text: str) -> None:
        await self.reads.wait()
        self.messages.put_nowait(json.loads(text))

    async def close(self, code: int) -> None:
        await self.reads.wait()
        self.closed = code

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(5):
            while (message := await self.messages.get())["type"] != kind:
                pass
        return message


@pytest.fixture
def desk() -> Desk:
    async def status() -> Any:
        return {"rooms": 1}

    edge: Any = SimpleNamespace(manager=SimpleNamespace(node="ab12"))
    fanout: Any = Fanout()
    return Desk(
        edge=edge,
        make_status=status,
        tap=EventTap(fanout),
        slow_clients=SlowClients(),
        token_maker=None,
        clock=FakeClock(),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "TAIL_SECONDS", 0.0)


async def test_it_is_welcomed_gets_the_status_and_then_what_it_asked_for(desk: Desk) -> None:
    page: Any = SlowPage()
    session = asyncio.create_task(socket._Session(desk, page, HOLDER).run())
    assert await page.next("welcome") == {"type": "welcome", "node": "ab12", "scopes": ["read"], "tokens": False}
    assert (await page.next("status"))["status"] == {"rooms": 1}
    desk.tap.submit_many([EVENT])  # before it asked
    page.asked.put_nowait('{"type":"tail","on":true}')
    page.asked.put_nowait("nonsense")
    assert "expected type tail" in (await page.next("error"))["error"]
    desk.tap.submit_many([EVENT])
    message = await page.next("events")
    assert (message["seen"], message["skipped"], len(message["events"])) == (1, 0, 1)
    session.cancel()
    await asyncio.gather(session, return_exceptions=True)


async def test_a_page_that_stalls_holds_nothing_up_and_hears_how_much_it_missed(desk: Desk) -> None:
    clock: Any = desk.clock
    page: Any = SlowPage()
    session = asyncio.create_task(socket._Session(desk, page, HOLDER).run())
    page.asked.put_nowait('{"type":"tail","on":true}')
    page.asked.put_nowait("nonsense")
    await page.next("error")
    page.reads.clear()
    count = 0
    for _ in range(20):
        assert all(desk.tap.submit_many([EVENT] * SHOWN_PER_SECOND))
        count += SHOWN_PER_SECOND
        clock.advance(1)
    await asyncio.sleep(0)
    page.reads.set()
    message = await page.next("events")
    while message["seen"] < count:
        message = await page.next("events")
    assert message["skipped"] >= count - 2 * WAITING
    session.cancel()
    await asyncio.gather(session, return_exceptions=True)


async def test_a_page_that_never_reads_is_given_up_and_no_longer_watches(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "SEND_SECONDS", 0.01)
    page: Any = SlowPage()
    session = asyncio.create_task(socket._Session(desk, page, HOLDER).run())
    page.asked.put_nowait('{"type":"tail","on":true}')
    page.asked.put_nowait("nonsense")
    await page.next("error")
    page.reads.clear()
    async with asyncio.timeout(5):
        await session
    assert desk.tap._watchers == ()


async def test_a_status_that_fails_closes_the_page_with_a_code_and_is_logged(desk: Desk) -> None:
    async def broken() -> Any:
        raise ValueError("a fault of ours")

    desk.make_status = broken
    page: Any = SlowPage()
    async with asyncio.timeout(5):
        await socket._Session(desk, page, HOLDER).run()
    assert page.closed == 1011


def test_seats_are_counted(desk: Desk) -> None:
    seats = [desk.seat() for _ in range(MAX_SOCKETS)]
    for seat in seats:
        assert not desk.is_full
        seat.__enter__()
    assert desk.is_full
    seats[0].__exit__(None, None, None)
    assert not desk.is_full


async def test_who_was_too_slow_is_told_when_it_is_news(desk: Desk) -> None:
    page: Any = SlowPage()
    session = asyncio.create_task(socket._Session(desk, page, HOLDER).run())
    assert (await page.next("slow"))["clients"] == []
    for number in range(KEPT + 2):
        desk.slow_clients.add(SlowClient(1_700_000_000.0, f"ab12-{number}", 7, "user:12", "waiter", 60))
    told = (await page.next("slow"))["clients"]
    assert [client["connection"] for client in told] == [f"ab12-{KEPT + 1 - index}" for index in range(KEPT)]
    assert told[0] == {
        "at": 1_700_000_000.0,
        "connection": f"ab12-{KEPT + 1}",
        "tenant": 7,
        "subject": "user:12",
        "endpoint": "waiter",
        "seconds": 60,
    }
    session.cancel()
    await asyncio.gather(session, return_exceptions=True)


async def test_operators_who_ask_at_about_the_same_time_are_shown_one_status(desk: Desk) -> None:
    made: Any = []

    async def status() -> Any:
        made.append(None)
        return len(made)

    desk.make_status = status
    clock: Any = desk.clock
    assert [await desk.status(), await desk.status()] == [1, 1]
    clock.advance(FRESH_SECONDS)
    assert await desk.status() == 2
