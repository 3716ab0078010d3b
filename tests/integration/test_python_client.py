"""What only the Python client promises, against servers that do as the test says."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from gateway.client import Client, Event, GaveUpError, Stale, State, Throttled, Timing
from gateway.client.link import CLOSE_SECONDS, WebSocketLink
from tests.support.serve import free_port
from tests.support.tcp_relay import TcpRelay

ONCE = Timing(attempts=0)
READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


@asynccontextmanager
async def scripted(
    script: Callable[[ServerConnection], Awaitable[None]],
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> AsyncIterator[str]:
    async with serve(
        script,
        "127.0.0.1",
        0,
        process_request=answer,
        subprotocols=[Subprotocol("bearer")],
        compression=None,
    ) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def say(peer: ServerConnection, *messages: object) -> None:
    for message in messages:
        await peer.send(json.dumps(message))


WELCOME = {"type": "welcome", "connection_id": "c", "heartbeat": 30, "positions": {"5": "1-0/aaaaaaaa"}}


def critical(number: int) -> dict[str, object]:
    return {"event_id": f"{number}-0", "position": f"{number}-0/bbbbbbbb", **READY}


class Storage:
    """Positions in memory, by coroutines."""

    def __init__(self, stored: Mapping[str, str] | None = None) -> None:
        self.stored = stored

    async def load(self) -> Mapping[str, str] | None:
        return self.stored

    async def save(self, positions: Mapping[str, str]) -> None:
        self.stored = positions


async def test_messages_of_each_kind_come_in_order() -> None:
    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME, READY, {"type": "gap", "dropped": 3}, {"type": "gap", "branch": 5, "critical": True})
        await say(peer, critical(2))
        await peer.wait_closed()

    async with scripted(script) as url, Client(url, "kitchen", token="t") as client:
        heard = [await anext(client) for _ in range(4)]
    best_effort, *gaps, event = heard
    assert isinstance(best_effort, Event)
    assert (best_effort.type, best_effort.data, best_effort.text) == ("ROUND_READY", READY, json.dumps(READY))
    assert (best_effort.event_id, best_effort.position) == (None, None)
    assert gaps == [Throttled(3), Stale((5,))]
    assert isinstance(event, Event)
    assert (event.event_id, event.position) == ("2-0", "2-0/bbbbbbbb")


async def test_positions_are_stored_when_the_application_comes_back_for_more() -> None:
    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME, critical(2), critical(3))
        await peer.wait_closed()

    storage = Storage()
    async with scripted(script) as url, Client(url, "kitchen", token="t", storage=storage) as client:
        await anext(client)
        assert storage.stored == {"5": "1-0/aaaaaaaa"}, "an application that dies now hears the event again"
        await anext(client)
        assert storage.stored == {"5": "2-0/bbbbbbbb"}
        assert client.positions == {"5": "3-0/bbbbbbbb"}


async def test_stored_positions_are_resumed() -> None:
    paths: list[str] = []

    async def script(peer: ServerConnection) -> None:
        assert peer.request is not None
        paths.append(peer.request.path)
        await say(peer, WELCOME | {"resumed": {"5": False}})
        await peer.wait_closed()

    storage = Storage({"5": "9-0/cccccccc"})
    async with scripted(script) as url, Client(url, "kitchen", token="t", storage=storage) as client:
        assert await anext(client) == Stale((5,))
        assert storage.stored == {"5": "9-0/cccccccc"}, "the new position belongs to the new state"
    assert paths == ["/ws/kitchen?resume=5%3A9-0%2Fcccccccc"]


async def test_an_application_that_is_behind_stops_the_reading_and_loses_nothing() -> None:
    sent = 0

    async def script(peer: ServerConnection) -> None:
        nonlocal sent
        # Answers to pings, so that silence is the client's own doing alone.
        await say(peer, WELCOME | {"heartbeat": 1})
        for number in range(3000):
            await say(peer, READY | {"n": number, "pad": "x" * 10_000})
            sent = number
        async for _ping in peer:
            await say(peer, {"type": "pong", "positions": {}})

    timing = Timing(attempts=0, answer_within=1)
    async with scripted(script) as url, Client(url, "kitchen", token="t", buffer=10, timing=timing) as client:
        await anext(client)
        before = -1
        while sent != before:  # until neither side moves any more, and for longer than an answer may take
            before = sent
            await asyncio.sleep(2.5)
        assert sent < 2990, "30 MB are not kept for an application that does not take them"
        assert client.state is State.OPEN
        numbers = [0]
        async for message in client:
            assert isinstance(message, Event)
            numbers.append(message.data["n"])
            if len(numbers) == 3000:
                break
    assert numbers == list(range(3000))


async def test_a_give_up_says_what_ended_the_last_connection() -> None:
    async def script(peer: ServerConnection) -> None:
        raise AssertionError("nobody gets this far")

    def refuse(peer: ServerConnection, _request: Request) -> Response:
        return peer.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no\n")

    async with scripted(script, refuse) as url, Client(url, "kitchen", token="t", timing=ONCE) as client:
        with pytest.raises(GaveUpError, match="does not come back after a connection that ended with 1006") as caught:
            await anext(client)
    assert isinstance(caught.value.__cause__, InvalidStatus)
    timing = Timing(attempts=2, first_wait=0.01)
    async with Client(f"ws://127.0.0.1:{free_port()}", "kitchen", token="t", timing=timing) as client:
        with pytest.raises(GaveUpError, match="given up after 2 attempts") as caught:
            await anext(client)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_close_ends_an_iteration_that_waits() -> None:
    code = asyncio.get_running_loop().create_future()

    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME)
        await peer.wait_closed()
        code.set_result(peer.close_code)

    opened = asyncio.Event()

    def on_state(state: State) -> None:
        if state is State.OPEN:
            opened.set()

    async with scripted(script) as url, Client(url, "kitchen", token="t", on_state=on_state) as client:

        async def hear() -> int:
            return len([message async for message in client])

        hearing = asyncio.create_task(hear())
        await opened.wait()
        await client.close()
        await client.close()
        async with asyncio.timeout(10):
            assert await hearing == 0
            assert await code == 1000


@pytest.mark.parametrize("seconds", [0.0, 0.005])
async def test_a_client_that_is_left_while_it_connects_leaves_nothing_behind(seconds: float) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1024):
            pass
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    before = asyncio.all_tasks()
    async with asyncio.timeout(5):
        async with Client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", "kitchen", token="t"):
            await asyncio.sleep(seconds)
    left = {task.get_name() for task in asyncio.all_tasks() - before}
    assert {name for name in left if name.startswith("gateway-client")} == set()
    server.close()


async def test_a_dead_connection_is_cut_and_not_closed_in_good_order() -> None:
    """Nobody would answer the close, and each such link would linger."""
    opened = asyncio.Event()

    class Owner:
        def message(self, text: str | bytes) -> None:
            opened.set()

        def closed(self, code: int, cause: BaseException | None) -> None:
            raise AssertionError(f"nothing is heard of a link that was dropped, but {code}, {cause!r}")

    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME)
        await peer.wait_closed()

    async def room() -> None:
        pass

    async with scripted(script) as url, TcpRelay(urlsplit(url).port or 0).running() as relay:
        link = WebSocketLink(f"ws://127.0.0.1:{relay.port}/ws/kitchen", "t", Owner(), room)
        await opened.wait()
        relay.stall()
        link.send("ping")
        link.drop()
        async with asyncio.timeout(CLOSE_SECONDS * 0.75):
            await link.gone()


async def test_a_provider_may_be_a_coroutine_function_and_its_failure_names_no_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = 0

    async def provider() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("refused: s.e.cret")
        return "t.o.k"

    offered: list[str] = []

    async def script(peer: ServerConnection) -> None:
        assert peer.request is not None
        offered.append(peer.request.headers["Sec-WebSocket-Protocol"])
        await say(peer, WELCOME, READY)
        await peer.wait_closed()

    timing = Timing(first_wait=0.01)
    with caplog.at_level(logging.DEBUG, logger="gateway.client"):
        async with scripted(script) as url, Client(url, "kitchen", token=provider, timing=timing) as client:
            await anext(client)
    assert offered == ["bearer, t.o.k"]
    assert [record.getMessage() for record in caplog.records if record.name == "gateway.client"] == [
        "the token provider failed: RuntimeError"
    ]


async def test_what_on_message_raises_is_the_iterations() -> None:
    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME)
        await peer.wait_closed()

    def hear(_message: str | bytes) -> None:
        raise BrokenPipeError

    async with scripted(script) as url, Client(url, "kitchen", token="t", on_message=hear) as client:
        with pytest.raises(BrokenPipeError):
            await anext(client)
        assert client.state is State.CLOSED


async def test_what_on_state_raises_is_logged_and_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME, READY)
        await peer.wait_closed()

    def on_state(_state: State) -> None:
        raise RuntimeError("oops")

    async with scripted(script) as url, Client(url, "kitchen", token="t", on_state=on_state) as client:
        await anext(client)
    assert "on_state failed" in caplog.text


async def test_what_the_storage_raises_is_the_callers() -> None:
    class Broken(Storage):
        async def save(self, positions: Mapping[str, str]) -> None:
            raise OSError("disk full")

    async def script(peer: ServerConnection) -> None:
        await say(peer, WELCOME, READY)
        await peer.wait_closed()

    async with scripted(script) as url, Client(url, "kitchen", token="t", storage=Broken()) as client:
        with pytest.raises(OSError, match="disk full"):
            await anext(client)


async def test_it_is_used_once_and_only_when_it_is_entered() -> None:
    client = Client("ws://127.0.0.1:9", "kitchen", token="t")
    assert (client.state, client.positions) == (State.IDLE, {})
    client.wake()
    client.offline()
    client.online()
    await client.close()
    with pytest.raises(RuntimeError, match="enter the client first"):
        await anext(client)
    client = Client("ws://127.0.0.1:9", "kitchen", token="t", timing=ONCE)
    async with client:
        pass
    with pytest.raises(RuntimeError, match="used once"):
        await client.__aenter__()


def test_what_cannot_be_used_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="buffer must be at least 1, got 0"):
        Client("ws://h", "kitchen", token="t", buffer=0)
    with pytest.raises(ValueError, match="no token") as caught:
        Client("ws://h", "kitchen", token="two words")
    assert "two words" not in str(caught.value)
