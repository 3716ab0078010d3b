"""A simulated guest is not fooled: a gateway that delivers wrongly spoils the evening."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from gateway.demo.attendance import Attendance
from gateway.demo.entitlement import Publication
from gateway.demo.errors import DemoError
from gateway.demo.guest import Guest
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.world import Persona, Post
from gateway.protocol.audiences import AudienceKind, Channel
from gateway.protocol.routing import DEFAULT_RULES
from gateway.types import Room

COOK = Persona("the cook", Post.KITCHEN, 1, (5,))
FENCE = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5, "publication": 10}

Script = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def scripted(script: Script, **options: Any) -> AsyncIterator[str]:
    """A gateway that does as the test says."""
    async with serve(script, "127.0.0.1", 0, subprotocols=["bearer"], **options) as server:  # type: ignore[list-item]
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Visit:
    """One guest, and what the scoreboard makes of what they get."""

    def __init__(self) -> None:
        self.board = Scoreboard()
        self.attendance = Attendance(DEFAULT_RULES)

    async def arrive(self, url: str) -> Guest:
        return await Guest.arrive(COOK, url, "tok.en", self.attendance, self.board)

    def publish(self, number: int) -> None:
        publication = Publication(number, Channel(AudienceKind.KITCHEN, 5), "ROUND_READY", Room(1, 5))
        self.board.publishing(publication, self.attendance.entitled(publication), 0.0)


def _sends(*messages: object) -> Script:
    """Welcome; once the guest says that all is published, these messages; then wait."""

    async def script(peer: ServerConnection) -> None:
        await peer.send('{"type":"welcome","heartbeat":0.05}')
        assert await peer.recv() == "ping"
        for message in messages:
            await peer.send(message if isinstance(message, str) else json.dumps(message))
        await peer.wait_closed()

    return script


async def _play(*messages: object) -> Scoreboard:
    visit = Visit()
    async with scripted(_sends(*messages, FENCE)) as url:
        guest = await visit.arrive(url)
        visit.publish(1)
        visit.publish(10)
        await guest.depart(5)
    return visit.board


async def test_what_is_expected_and_comes_makes_a_perfect_evening() -> None:
    board = await _play(FENCE | {"publication": 1})
    assert board.summary().perfect
    assert board.connections[Post.KITCHEN] == 0


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (FENCE | {"publication": 1, "tenant_id": 2}, "another tenant"),
        (FENCE | {"publication": 1, "branch_id": 6}, "another branch"),
        (FENCE | {"publication": 7}, "does not give it"),
        (FENCE, "came twice"),
        ({"type": "gap", "dropped": 2}, "told of 2 dropped"),
        ("{", "not a message"),
        ({"type": "ROUND_READY", "tenant_id": 2, "branch_id": 5}, "of another tenant"),
    ],
)
async def test_anything_else_spoils_it(message: object, words: str) -> None:
    board = await _play(FENCE | {"publication": 1}, message)
    assert not board.summary().perfect
    assert any(words in fault for fault in board.faults), board.faults


async def test_somebody_elses_event_for_the_same_audience_is_no_fault() -> None:
    mine = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}
    assert (await _play(mine, FENCE | {"publication": 1})).summary().perfect


async def test_what_does_not_come_is_lost_and_waited_for_no_longer_than_allowed() -> None:
    visit = Visit()
    async with scripted(_sends()) as url:
        guest = await visit.arrive(url)
        visit.publish(1)
        await guest.depart(0.05)
    assert visit.board.summary().lost == 1


async def test_a_guest_who_is_disconnected_is_trouble_and_nobody_waits_for_them() -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.send('{"type":"welcome"}')
        await peer.close(1013)

    visit = Visit()
    async with scripted(script) as url:
        guest = await visit.arrive(url)
        visit.publish(1)
        async with asyncio.timeout(5):
            await guest.depart(60)
    assert visit.board.faults == ["the cook was disconnected: 1013 server overloaded"]
    assert visit.board.connections[Post.KITCHEN] == 0
    # Gone is gone: nothing is expected for them any more.
    visit.publish(2)
    assert visit.board.expected <= 1


async def test_a_guest_who_is_refused_ends_the_demo_with_a_sentence() -> None:
    def refuse(peer: ServerConnection, request: Request) -> Response:
        return peer.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full\n")

    async with scripted(_sends(), process_request=refuse) as url:
        with pytest.raises(DemoError, match=r"the cook could not connect to ws://127\.0\.0\.1:\d+/ws/kitchen: .*503"):
            await Visit().arrive(url)


async def test_a_guest_whose_token_is_refused_ends_the_demo_too() -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.close(4001)

    async with scripted(script) as url:
        with pytest.raises(DemoError, match="4001"):
            await Visit().arrive(url)
