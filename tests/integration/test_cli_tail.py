"""`gateway tail` against a real gateway, and against a server that behaves in every other way."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve

from gateway.cli.explanations import TailError
from gateway.cli.listener import ONCE, Listener
from tests.integration.conftest import Producer
from tests.support.cli import command, ended
from tests.support.gateway import RunningGateway, run_gateway
from tests.support.serve import free_port
from tests.support.serve import serve as serve_gateway
from tests.support.tokens import staff_token, table_token
from tests.support.valkey import ValkeyServer

READY = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


async def test_it_prints_the_welcome_and_the_audiences_events_one_json_a_line(
    gateway: RunningGateway, producer: Producer
) -> None:
    token = staff_token("KITCHEN", user="tail-1")
    async with command("tail", "--as", "kitchen", "--url", gateway.ws, "--count", "2", GATEWAY_TOKEN=token) as tail:
        assert json.loads(await tail.line())["type"] == "welcome"
        await producer.publish("branch:5:kitchen", READY | {"tenant_id": 2})
        # Laid out by its producer on several lines, with a number that no float holds.
        await producer.publish("branch:5:kitchen", json.dumps(READY | {"n": 12345678901234567890123}, indent=2))
        assert await tail.line() == json.dumps(READY | {"n": 12345678901234567890123}, separators=(",", ":"))
        await producer.publish("branch:5:kitchen", READY)
        assert await tail.end() == (0, json.dumps(READY, separators=(",", ":")) + "\n", "")


async def test_a_diner_with_a_table_token_from_standard_input(gateway: RunningGateway, producer: Producer) -> None:
    token = table_token(session=78).encode() + b"\n"
    cart = {"type": "CART_CLEARED", "tenant_id": 1, "branch_id": 5, "session_id": 78}
    async with command("tail", "--table-token", "-", "--url", gateway.ws, "--count", "1", stdin=token) as tail:
        await tail.line()
        await producer.publish("session:78", cart)
        assert await tail.end() == (0, json.dumps(cart, separators=(",", ":")) + "\n", "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--as", "admin", "--token", staff_token("WAITER")), "4003 FORBIDDEN"),
        (("--as", "admin", "--token", staff_token("ADMIN", secret="x" * 32)), "4001 AUTH_FAILED"),
        (("--as", "waiter", "--token", table_token()), "4001 AUTH_FAILED"),
        (("--table-token", "nonsense"), "4001 AUTH_FAILED"),
    ],
)
async def test_a_close_by_the_gateway_is_explained(
    gateway: RunningGateway, arguments: tuple[str, ...], says: str
) -> None:
    status, out, err = await ended("tail", "--url", gateway.ws, *arguments)
    assert (status, out) == (1, "")
    assert says in err
    assert "reconnect: no" in err
    assert err.count("\n") == 1


async def test_a_gateway_that_shuts_down_ends_it_with_1(valkey: ValkeyServer) -> None:
    with run_gateway(valkey.url) as running:
        async with command("tail", "--table-token", table_token(), "--url", running.ws) as tail:
            await tail.line()
            running.run(running.gateway.drain())
            status, _, err = await tail.end()
    assert status == 1
    assert "1001 GOING_AWAY" in err


async def test_with_reconnect_it_outlives_a_gateway_that_is_started_again(
    valkey: ValkeyServer, tmp_path: Path, producer: Producer
) -> None:
    port = free_port()
    token = staff_token("KITCHEN", user="tail-3")
    with serve_gateway(tmp_path, port=port, GATEWAY_REDIS_URL=valkey.url) as first:
        async with command(
            "tail", "--as", "kitchen", "--url", first.ws, "--reconnect", "--count", "1", GATEWAY_TOKEN=token
        ) as tail:
            assert json.loads(await tail.line())["type"] == "welcome"
            first.process.kill()
            first.process.wait()
            with serve_gateway(tmp_path, port=port, GATEWAY_REDIS_URL=valkey.url):
                assert json.loads(await tail.line())["type"] == "welcome"
                await producer.publish("branch:5:kitchen", READY)
                status, out, err = await tail.end()
    assert (status, out) == (0, json.dumps(READY, separators=(",", ":")) + "\n")
    assert err == "gateway: the connection is lost; coming back\n"


async def test_ctrl_c_is_a_good_end(gateway: RunningGateway) -> None:
    async with command("tail", "--table-token", table_token(session=79), "--url", gateway.ws) as tail:
        await tail.line()
        tail.process.send_signal(signal.SIGINT)
        assert await tail.end() == (0, "", "")


async def test_a_reader_that_has_enough_ends_it_quietly(gateway: RunningGateway, producer: Producer) -> None:
    token = staff_token("KITCHEN", user="tail-2")
    async with command("tail", "--as", "kitchen", "--token", token, "--url", gateway.ws) as tail:
        await tail.line()
        assert tail.process.stdout is not None
        tail.process.stdout._transport.close()  # type: ignore[attr-defined]
        await producer.publish("branch:5:kitchen", READY)
        async with asyncio.timeout(20):
            assert await tail.process.wait() == 1
        assert tail.process.stderr is not None
        assert await tail.process.stderr.read() == b""


async def test_nobody_there_is_said_in_a_sentence() -> None:
    status, out, err = await ended("tail", "--table-token", "x", "--url", f"ws://127.0.0.1:{free_port()}")
    assert (status, out) == (1, "")
    assert "Connection refused; is a gateway running there?" in err
    assert "Traceback" not in err


# --- a server that does as the test says ---------------------------------------------------------------------------


@asynccontextmanager
async def scripted(
    script: Callable[[ServerConnection], Awaitable[None]],
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
) -> AsyncIterator[str]:
    """A WebSocket server with a script for each connection."""
    async with serve(script, "127.0.0.1", 0, process_request=answer, subprotocols=["bearer"]) as server:  # type: ignore[list-item]
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _welcome(heartbeat: float = 30) -> str:
    return json.dumps({"type": "welcome", "heartbeat": heartbeat})


async def test_the_token_goes_as_a_subprotocol_and_not_in_the_url(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[str, str]] = []

    async def script(peer: ServerConnection) -> None:
        assert peer.request is not None
        seen.append((peer.request.path, peer.request.headers["Sec-WebSocket-Protocol"]))

    async with scripted(script) as url:
        await Listener(url, "kitchen", "tok.en").listen()
    assert seen == [("/ws/kitchen", "bearer, tok.en")]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("show_all", [False, True])
async def test_it_pings_as_often_as_the_welcome_says_and_shows_pongs_if_asked(
    show_all: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.send(_welcome(heartbeat=1))
        assert await peer.recv() == "ping"
        await peer.send('{"type":"pong"}')
        # A gap, an error and a pong are no events: --count does not count them.
        await peer.send('{"type":"gap","dropped":3}')
        await peer.send(json.dumps(READY))
        await peer.wait_closed()

    async with scripted(script) as url:
        await Listener(url, "kitchen", "t", count=1, show_all=show_all).listen()
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds == ["welcome", *(["pong"] if show_all else []), "gap", "ROUND_READY"]


async def test_a_ping_without_an_answer_means_that_nobody_is_there() -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.send(_welcome(heartbeat=1))
        await peer.wait_closed()

    async with scripted(script) as url:
        with pytest.raises(TailError, match="has not answered a ping for 1 s; the connection is dead"):
            await Listener(url, "kitchen", "t", timing=replace(ONCE, answer_within=1)).listen()


async def test_a_normal_close_is_a_good_end(capsys: pytest.CaptureFixture[str]) -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.send(_welcome())

    async with scripted(script) as url:
        await Listener(url, "kitchen", "t").listen()
    assert capsys.readouterr().out == '{"type":"welcome","heartbeat":30}\n'


async def test_a_connection_that_is_cut_is_no_good_end() -> None:
    async def script(peer: ServerConnection) -> None:
        peer.transport.abort()

    async with scripted(script) as url:
        with pytest.raises(TailError, match="1006 ABNORMAL"):
            await Listener(url, "kitchen", "t").listen()


@pytest.mark.parametrize("message", ["not json", "sectors_updated:1", b"\xff\x00", "[1]", "{}"])
async def test_what_is_no_message_is_noted_and_survived(
    message: str | bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    async def script(peer: ServerConnection) -> None:
        await peer.send(message)
        await peer.send(json.dumps(READY))

    async with scripted(script) as url:
        await Listener(url, "kitchen", "t", count=1).listen()
    captured = capsys.readouterr()
    assert json.loads(captured.out) == READY
    assert "not a JSON message" in captured.err


@pytest.mark.parametrize(
    ("status", "says"), [(401, "no token"), (403, "Origin"), (503, "full or draining"), (404, "no such endpoint")]
)
async def test_a_refused_handshake_is_explained(status: int, says: str) -> None:
    async def script(peer: ServerConnection) -> None:
        raise AssertionError("nobody gets this far")

    def refuse(peer: ServerConnection, request: Request) -> Response:
        return peer.respond(HTTPStatus(status), "no\n")

    async with scripted(script, refuse) as url:
        with pytest.raises(TailError, match=says):
            await Listener(url, "kitchen", "t").listen()


async def test_a_server_that_speaks_something_else_is_no_gateway() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TailError, match="does not answer like a gateway"):
            await Listener(f"ws://127.0.0.1:{port}", "kitchen", "t").listen()
