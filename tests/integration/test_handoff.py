"""The hand-off under real uvicorns: both loops, both HTTP parsers, the oldest version and the installed one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.raw_websocket import (
    ACCEPT,
    RawWebSocket,
    close_frame,
    raw_websocket,
    request,
    text_frame,
)
from tests.support.uvicorn_process import UvicornProcess, oldest_uvicorn, oldest_version, uvicorn_process

LOOPS = ("uvloop", "asyncio")
PARSERS = ("httptools", "h11")
VERSIONS = ("installed", "oldest")


@pytest.fixture(
    scope="module",
    params=[(version, loop, parser) for version in VERSIONS for loop in LOOPS for parser in PARSERS],
    ids="-".join,
)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UvicornProcess]:
    version, loop, parser = request.param
    site = oldest_uvicorn() if version == "oldest" else None
    with uvicorn_process(tmp_path_factory.mktemp(parser), "--loop", loop, "--http", parser, site=site) as running:
        state = running.get()
        assert state["uvicorn"] == (oldest_version() if site else uvicorn.__version__)
        assert state["loop"] == loop
        yield running
        assert running.terminate(10) < 5
        for slip in ("never retrieved", "never awaited", "Exception in callback", "Fatal error", "ResourceWarning"):
            assert slip not in running.log_text()


@pytest.fixture
async def raw(server: UvicornProcess) -> AsyncIterator[UvicornProcess]:
    """The server; afterwards nothing of the test is left in it."""
    before = server.until(native=0)
    yield server
    # Descriptors: the request that asks has one of its own, each time.
    server.until(native=0, tasks=before["tasks"], descriptors=before["descriptors"])


# --- the native way --------------------------------------------------------------------------------------------------


async def test_a_real_client_is_handed_over_and_no_compression_is_agreed_to(raw: UvicornProcess) -> None:
    idle = raw.get()["tasks"]
    url = f"{raw.ws}/native?subprotocol=bearer"
    async with connect(url, compression="deflate", subprotocols=["bearer", "other"]) as client:  # type: ignore[list-item]
        assert client.protocol.extensions == []
        assert client.subprotocol == "bearer"
        assert client.response is not None
        assert client.response.headers["x-answer"] == "42"
        assert client.response.headers["server"] == "uvicorn"
        raw.until(native=1)
        for message in ("first", "x" * 200_000, "last"):
            await client.send(message)
            assert await client.recv() == message
        # uvicorn's own part is over: the connection has no task any more.
        assert raw.get()["tasks"] == idle


async def test_the_101_is_what_rfc_6455_wants(raw: UvicornProcess) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    async with raw_websocket(raw.port, request("/native", offer)) as peer:
        status, headers = await peer.head()
        assert status == 101
        assert headers["sec-websocket-accept"] == ACCEPT
        assert headers["upgrade"] == "websocket"
        assert headers["connection"] == "Upgrade"
        assert "sec-websocket-extensions" not in headers
        assert "sec-websocket-protocol" not in headers
        assert "date" in headers


async def test_the_client_may_close(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/native")) as peer:
        assert (await peer.head())[0] == 101
        await peer.write(close_frame(1000))
        assert await peer.close_code() == 1000
        assert await peer.end() == b""


async def test_after_the_hand_over_the_endpoint_can_neither_hear_nor_speak(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/detached_then_more")) as peer:
        assert (await peer.head())[0] == 101
        raw.until_seen("heard by its new owner")
        raw.until_seen("websocket.send cannot be sent here")
        await peer.write(text_frame("alive"))
        assert await peer.text() == "alive"


async def test_what_no_101_can_carry_is_an_error_and_nothing_is_written(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/bad_accept")) as peer:
        status, headers = await peer.head()
        assert status == 101
        assert "set-cookie" not in headers
        assert "sec-websocket-extensions" not in headers
        for part in ("control character", "no token", "belongs to the handshake", "not offered"):
            raw.until_seen(part)
        await peer.write(text_frame("alive"))
        assert await peer.text() == "alive"


# --- early bytes -----------------------------------------------------------------------------------------------------


async def _echoes(peer: RawWebSocket, *texts: str) -> None:
    assert (await peer.head())[0] == 101
    for text in texts:
        assert await peer.text() == text


@pytest.mark.parametrize("path", ["/native", "/plain"])
async def test_bytes_in_the_segment_of_the_request_are_kept(raw: UvicornProcess, path: str) -> None:
    async with raw_websocket(raw.port, request(path) + text_frame("one") + text_frame("two")) as peer:
        await _echoes(peer, "one", "two")


@pytest.mark.parametrize("path", ["/native", "/plain"])
async def test_a_frame_cut_in_half_by_the_hand_over_is_whole(raw: UvicornProcess, path: str) -> None:
    frame = text_frame("a frame in two halves")
    async with raw_websocket(raw.port, request(path) + frame[:9]) as peer:
        assert (await peer.head())[0] == 101
        await peer.write(frame[9:])
        assert await peer.text() == "a frame in two halves"


@pytest.mark.parametrize("path", ["/native", "/plain"])
async def test_bytes_during_authentication_are_kept(raw: UvicornProcess, path: str) -> None:
    gate = f"during-{path[1:]}"
    async with raw_websocket(raw.port, request(f"{path}?gate={gate}")) as peer:
        raw.until_seen(f"{gate} reached")
        await peer.write(text_frame("one"))
        await peer.write(text_frame("two"))
        raw.open(gate)
        await _echoes(peer, "one", "two")


@pytest.mark.parametrize("path", ["/native", "/plain"])
@pytest.mark.parametrize("together", [True, False], ids=["one-segment", "after-the-head"])
async def test_more_than_is_kept_waits_in_the_kernel_and_nothing_is_lost(
    raw: UvicornProcess, path: str, together: bool
) -> None:
    gate = f"flood-{path[1:]}-{together}"
    texts = [f"{number}:{'x' * 20_000}" for number in range(10)]
    frames = b"".join(map(text_frame, texts))
    head = request(f"{path}?gate={gate}")
    async with raw_websocket(raw.port, head + frames if together else head) as peer:
        raw.until_seen(f"{gate} reached")
        if not together:
            await peer.write(frames)
        raw.open(gate)
        await _echoes(peer, *texts)
        await peer.write(text_frame("and on"))
        assert await peer.text() == "and on"


async def test_one_message_larger_than_what_is_kept_is_whole(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/plain?gate=large")) as peer:
        raw.until_seen("large reached")
        message = "x" * 200_000
        await peer.write(text_frame(message))
        raw.open("large")
        await _echoes(peer, message)


async def test_a_race_between_the_101_and_the_client_loses_nothing(raw: UvicornProcess) -> None:
    for number in range(50):
        async with raw_websocket(raw.port, request("/native"), text_frame(f"{number} a")) as peer:
            await peer.write(text_frame(f"{number} b"))
            await _echoes(peer, f"{number} a", f"{number} b")


async def test_a_head_in_three_segments_and_bytes_behind_it(raw: UvicornProcess) -> None:
    head = request("/native")
    async with raw_websocket(raw.port) as peer:
        for part in (head[:5], head[5:60], head[60:] + text_frame("behind")):
            await peer.write(part)
            await asyncio.sleep(0.02)  # or they would be one segment
        await _echoes(peer, "behind")


async def test_bytes_between_accept_and_detach_wait_for_the_owner(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/accepted?gate=between")) as peer:
        assert (await peer.head())[0] == 101
        raw.until_seen("between reached")
        await peer.write(text_frame("patience"))
        raw.open("between")
        assert await peer.text() == "patience"


# --- everything else is uvicorn's own --------------------------------------------------------------------------------


async def test_a_plain_accept_is_served_by_the_stock_class(raw: UvicornProcess) -> None:
    async with connect(f"{raw.ws}/plain", compression="deflate") as client:
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
        for message in ("one", "x" * 200_000):
            await client.send(message)
            assert await client.recv() == message
        assert raw.get()["native"] == 0


@pytest.mark.parametrize("path", ["/refuse", "/wanted_then_refused"])
async def test_a_refusal_is_403(raw: UvicornProcess, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{raw.ws}{path}"):
            pass
    assert refused.value.response.status_code == 403


async def test_a_denial_response_arrives_whole(raw: UvicornProcess) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{raw.ws}/deny"):
            pass
    response = refused.value.response
    assert (response.status_code, response.body) == (418, b"short and stout")
    assert response.headers["x-tea"] == "yes"


@pytest.mark.parametrize("path", ["/fail", "/forget"])
async def test_an_endpoint_that_does_not_answer_is_500(raw: UvicornProcess, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{raw.ws}{path}"):
            pass
    assert refused.value.response.status_code == 500
    expected = "fails on purpose" if path == "/fail" else "without completing handshake"
    assert expected in raw.log_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 12"),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Key: c2hvcnQ="),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"X-Nothing: 1"),
    ],
)
async def test_a_malformed_handshake_is_refused_by_the_stock_class(raw: UvicornProcess, old: bytes, new: bytes) -> None:
    async with raw_websocket(raw.port, request("/native").replace(old, new)) as peer:
        assert (await peer.head())[0] == 400
        await peer.end()


# --- faults ----------------------------------------------------------------------------------------------------------


async def test_a_client_that_leaves_during_authentication_is_noticed(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/watch?gate=left")) as peer:
        raw.until_seen("left reached")
        peer.writer.transport.abort()
    raw.open("left")
    raw.until_seen("websocket.disconnect 1006")
    raw.until_seen("ClientDisconnected")


@pytest.mark.parametrize("path", ["/native", "/plain", "/refuse"])
async def test_an_answer_to_a_client_that_left_goes_nowhere(raw: UvicornProcess, path: str) -> None:
    gate = f"answer-{path[1:]}"
    async with raw_websocket(raw.port, request(f"{path}?gate={gate}")) as peer:
        raw.until_seen(f"{gate} reached")
        peer.writer.transport.abort()
    errors = raw.log_text().count("ERROR")
    raw.open(gate)
    raw.until(native=0)
    assert raw.log_text().count("ERROR") == errors


async def test_a_client_that_leaves_between_accept_and_detach_is_the_owners_to_notice(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/accepted?gate=gone")) as peer:
        assert (await peer.head())[0] == 101
        raw.until_seen("gone reached")
        peer.writer.transport.abort()
    raw.open("gone")
    raw.until(native=0)


@pytest.mark.parametrize("path", ["/accepted_then_fail", "/accepted_then_forget", "/accepted_then_cancelled"])
async def test_an_endpoint_that_ends_between_accept_and_detach_cuts_its_connection(
    raw: UvicornProcess, path: str
) -> None:
    async with raw_websocket(raw.port, request(path)) as peer:
        assert (await peer.head())[0] == 101
        assert await peer.end() == b""


async def test_a_close_between_accept_and_detach_arrives_whatever_is_unread(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/accepted_then_closed?gate=unread")) as peer:
        assert (await peer.head())[0] == 101
        raw.until_seen("unread reached")
        await peer.write(text_frame("x" * 100_000))
        raw.open("unread")
        assert await peer.close_code() == 4003
        await peer.write(close_frame(4003))
        assert await peer.end() == b""


async def test_a_thousand_connections_leave_nothing_behind(raw: UvicornProcess) -> None:
    """Descriptors and tasks, that is; the fixture compares them."""
    for _ in range(50):
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(_one_life(raw.port))


async def _one_life(port: int) -> None:
    async with raw_websocket(port, request("/native") + text_frame("hello")) as peer:
        await _echoes(peer, "hello")


async def test_no_query_string_is_logged_on_the_native_way(raw: UvicornProcess) -> None:
    async with raw_websocket(raw.port, request("/native?token=hush-hush")) as peer:
        assert (await peer.head())[0] == 101
    raw.until(native=0)
    assert "hush-hush" not in raw.log_text()


def test_the_oldest_version_is_not_the_installed_one() -> None:
    """Or half of the matrix would test nothing."""
    assert oldest_version() != uvicorn.__version__
    assert Path(oldest_uvicorn(), "uvicorn", "__init__.py").exists()
    assert os.pathsep not in str(oldest_uvicorn())
