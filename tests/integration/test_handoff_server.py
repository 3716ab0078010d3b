"""The hand-off and the server around it: shutdown, descriptors that run out, workers, TLS, Unix sockets."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.client import ClientConnection, connect, unix_connect
from websockets.exceptions import ConnectionClosed

from tests.support.raw_websocket import RawWebSocket, raw_websocket, request, text_frame
from tests.support.uvicorn_process import UvicornProcess, oldest_uvicorn, uvicorn_process

BRIEF = ("--timeout-graceful-shutdown", "1")


@pytest.fixture(params=["installed-uvloop", "installed-asyncio", "oldest-uvloop", "oldest-asyncio"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Which uvicorn, and on which loop."""
    version, loop = request.param.split("-")
    return {"site": oldest_uvicorn() if version == "oldest" else None, "loop": loop}


def _process(folder: Path, *arguments: str, loop: str, **options: Any) -> Any:
    return uvicorn_process(folder, "--loop", loop, *arguments, **options)


@asynccontextmanager
async def _clients(server: UvicornProcess, path: str, count: int) -> AsyncIterator[list[ClientConnection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connect(f"{server.ws}{path}")) for _ in range(count)]


async def _close_code(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        async with asyncio.timeout(10):
            await client.recv()
    assert closed.value.rcvd is not None, "cut without a close frame"
    return closed.value.rcvd.code


def _signal(server: UvicornProcess) -> asyncio.Task[float]:
    return asyncio.create_task(asyncio.to_thread(server.terminate, 20))


# --- shutdown --------------------------------------------------------------------------------------------------------


async def test_sigterm_closes_native_connections_with_1001(tmp_path: Path, options: dict[str, Any]) -> None:
    with _process(tmp_path, **options) as server:
        async with _clients(server, "/native", 20) as clients:
            server.until(native=20)
            ended = _signal(server)
            assert [await _close_code(client) for client in clients] == [1001] * 20
            assert await ended < 1.5, "the last connection is gone, so there is nothing to wait for"
        log = server.log_text()
    assert "Waiting for connections" not in log or log.index("Waiting") < log.index("Finished server process")
    assert "Traceback" not in log
    assert "ERROR" not in log


async def test_uvicorn_waits_for_native_connections_that_are_slow_to_leave(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with _process(tmp_path, **options) as server:
        async with raw_websocket(server.port, request("/native")) as peer:
            assert (await peer.head())[0] == 101
            server.until(native=1)
            ended = _signal(server)
            assert await peer.close_code() == 1001
            # It never answers: uvicorn waits until the owner has given it up, and then ends.
            assert 1.9 < await ended < 4
        assert "Waiting for connections to close" in server.log_text()


async def test_the_servers_own_deadline_holds_for_native_connections(tmp_path: Path, options: dict[str, Any]) -> None:
    with _process(tmp_path, *BRIEF, **options) as server:
        async with raw_websocket(server.port, request("/native")) as peer:
            assert (await peer.head())[0] == 101
            server.until(native=1)
            assert 0.9 < await _signal(server) < 1.9


async def test_a_shutdown_during_authentication_is_answered_with_503(tmp_path: Path, options: dict[str, Any]) -> None:
    with _process(tmp_path, *BRIEF, **options) as server:
        async with raw_websocket(server.port, request("/native?gate=never")) as peer:
            server.until_seen("never reached")
            ended = _signal(server)
            assert (await peer.head())[0] == 503
            assert await peer.end() == b"The server is shutting down.\n"
            assert await ended < 3
        assert server.log_text().count("Traceback") == 0


async def test_a_shutdown_between_accept_and_detach_says_1001(tmp_path: Path, options: dict[str, Any]) -> None:
    with _process(tmp_path, *BRIEF, **options) as server:
        async with connect(f"{server.ws}/accepted?gate=never") as client:
            server.until_seen("never reached")
            ended = _signal(server)
            assert await _close_code(client) == 1001
            assert await ended < 3


async def test_asgi_connections_beside_native_ones_get_uvicorns_own_close(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with _process(tmp_path, *BRIEF, **options) as server:
        async with _clients(server, "/native", 2) as native, _clients(server, "/plain", 2) as plain:
            server.until(native=2)
            ended = _signal(server)
            assert [await _close_code(client) for client in (*native, *plain)] == [1001, 1001, 1012, 1012]
            assert await ended < 3


# --- descriptors -----------------------------------------------------------------------------------------------------


async def test_without_a_descriptor_to_spare_a_client_is_refused_and_the_next_served(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with _process(tmp_path, **options) as server:
        # One is served first, so that nothing is imported or opened for the first time afterwards.
        async with _native(server):
            server.until(native=1)
        server.until(native=0)
        idle = await _settled(server)
        limit = max(_descriptors(server)) + 9
        _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, hard))
        room = limit - idle

        async with AsyncExitStack() as admitted:
            statuses: list[int] = []
            for _ in range(room + 2):
                peer = await admitted.enter_async_context(raw_websocket(server.port, request("/native")))
                statuses.append((await peer.head())[0])
                if statuses[-1] == 503:
                    assert b"ulimit" in await peer.end()
                # The transport's descriptor goes a turn of the loop later. Until then a listener that is short of
                # them resets whoever comes (libuv) or stops listening for a second (asyncio).
                await _has_descriptors(server, idle + statuses.count(101))
            # A connection needs two descriptors for a moment and one for life: the last place cannot be taken.
            assert statuses == [101] * (room - 1) + [503] * 3
        # They hung up, and their descriptors went with them: the server is as good as new.
        await _has_descriptors(server, idle)
        async with _native(server) as peer:
            await peer.write(text_frame("alive"))
            assert await peer.text() == "alive"
        await _has_descriptors(server, idle)
        assert "gateway/server" not in server.log_text(), "a traceback of ours"


@asynccontextmanager
async def _native(server: UvicornProcess) -> AsyncIterator[RawWebSocket]:
    async with raw_websocket(server.port, request("/native")) as peer:
        assert (await peer.head())[0] == 101
        yield peer


def _descriptors(server: UvicornProcess) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd")]  # noqa: PTH208 - names are wanted


async def _settled(server: UvicornProcess) -> int:
    """How many it has when nobody is connected: the number that stays."""
    counts: list[int] = []
    async with asyncio.timeout(10):
        while len(counts) < 20 or len(set(counts[-20:])) > 1:
            counts.append(len(_descriptors(server)))
            await asyncio.sleep(0.005)
    return counts[-1]


async def _has_descriptors(server: UvicornProcess, count: int) -> None:
    """Wait until it has so many, seen from outside: to ask it would take one."""
    async with asyncio.timeout(10):
        while len(_descriptors(server)) != count:
            await asyncio.sleep(0.005)


# --- other ways to serve ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["installed", "oldest"])
async def test_workers_own_their_connections(tmp_path: Path, version: str) -> None:
    site = oldest_uvicorn() if version == "oldest" else None
    with uvicorn_process(tmp_path, "--workers", "2", site=site) as server:
        async with _clients(server, "/native", 40) as clients:
            workers = await _natives_by_worker(server, 40)
            assert len(workers) == 2
            for number, client in enumerate(clients):
                await client.send(f"{number}")
                assert await client.recv() == f"{number}"
            ended = _signal(server)
            assert [await _close_code(client) for client in clients] == [1001] * 40
            assert await ended < 5
        assert "Traceback" not in server.log_text()


async def _natives_by_worker(server: UvicornProcess, count: int) -> dict[int, int]:
    """Ask until both workers have answered; which one does is the kernel's choice."""
    found: dict[int, int] = {}
    async with asyncio.timeout(10):
        while len(found) < 2 or sum(found.values()) != count:
            state = await asyncio.to_thread(server.get)
            found[state["pid"]] = state["native"]
    return found


async def test_a_unix_socket_is_handed_over_like_any_other(tmp_path: Path, options: dict[str, Any]) -> None:
    path = str(tmp_path / "gateway.sock")
    with _process(tmp_path, uds=path, **options) as server:
        async with unix_connect(path, "ws://localhost/native") as client:
            server.until(native=1)
            await client.send("over a file")
            assert await client.recv() == "over a file"
        server.until(native=0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that nobody trusts but who is told to, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(key))
    for part in (*issued.cert_chain_pems, authority.cert_pem):
        part.write_to_path(str(certificate), append=True)
    return certificate, key


async def test_under_tls_the_endpoint_is_served_the_asgi_way(
    tmp_path: Path, options: dict[str, Any], certificate: tuple[Path, Path]
) -> None:
    chain, key = certificate
    context = ssl.create_default_context(cafile=str(chain))
    arguments = ("--ssl-certfile", str(chain), "--ssl-keyfile", str(key))
    with _process(tmp_path, *arguments, **options) as server:
        url = f"wss://127.0.0.1:{server.port}/native"
        async with connect(url, ssl=context) as client:
            assert server.get()["native"] == 0
            for message in ("one", "x" * 200_000):
                await client.send(message)
                assert await client.recv() == message
        assert "Traceback" not in server.log_text()
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.process.wait, 10) in (0, -signal.SIGTERM)
