"""The protocol class on a transport that the test controls: what cannot be timed from outside."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from gateway.errors import ConnectionGoneError, NodeFullError
from gateway.server import offered_socket
from gateway.server.extension import Handoff
from gateway.server.handoff import HandoffProtocol
from gateway.server.keeper import ConnectionKeeper
from tests.support.fake_transport import FakeTransport, is_open
from tests.support.raw_websocket import request, text_frame
from tests.support.settle import settle

ACCEPT = {"type": "websocket.accept"}


class Rig:
    """A server without a server: one connection, and the endpoint's three things for the test to use."""

    def __init__(self, *, tls: bool = False) -> None:
        self.transport = FakeTransport(tls=tls)
        self.server = ServerState()
        self.scope: dict[str, Any] = {}
        self._ends = asyncio.Event()
        self.config = Config(self._app, ws=HandoffProtocol, interface="asgi3", log_config=None)
        self.config.load()
        self.protocol = HandoffProtocol(self.config, self.server, {"shared": 1})

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        self.scope, self.receive, self.send = scope, receive, send
        await self._ends.wait()

    async def begin(self, head: bytes | None = None) -> Rig:
        self.transport.set_protocol(object())  # type: ignore[arg-type] - stands for the HTTP protocol
        self.protocol.connection_made(self.transport)
        self.protocol.data_received(head or request("/ws?token=secret"))
        self.transport.set_protocol(self.protocol)
        await settle()
        return self

    @property
    def handoff(self) -> Handoff:
        found = self.scope["extensions"]["gateway.handoff"]
        assert isinstance(found, Handoff)
        return found

    @property
    def duplicate(self) -> int:
        """The descriptor that is kept for the new owner."""
        found = self.protocol._socket._duplicate
        assert found is not None
        return found

    async def accepted(self) -> Rig:
        await self.begin()
        self.handoff.want()
        await self.send(ACCEPT)
        return self

    async def finish(self) -> None:
        """The endpoint returns."""
        self._ends.set()
        await settle()


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.finish()
    made.transport.abort()
    await settle()
    assert not made.server.tasks
    made.transport.dispose()


# --- the native way --------------------------------------------------------------------------------------------------


async def test_a_detached_socket_is_the_same_connection_and_outlives_the_transports(rig: Rig) -> None:
    await rig.accepted()
    assert rig.transport.output.startswith(b"HTTP/1.1 101 ")
    assert not rig.transport.reading
    rig.protocol.data_received(b"")  # nothing can come while reading is paused; nothing is no harm
    descriptor, early = rig.handoff.detach()
    await settle()
    assert rig.transport.ended == ["close"]
    assert rig.transport.socket.fileno() == -1
    assert not os.get_inheritable(descriptor)
    os.write(descriptor, b"still here")
    assert rig.transport.peer.recv(64) == b"still here"
    assert early == b""
    os.close(descriptor)


async def test_the_scope_is_uvicorns_with_the_extension() -> None:
    rig = await Rig().begin(request("/a%20b?q=1", "Sec-WebSocket-Protocol: x, y"))
    scope = dict(rig.scope)
    assert scope.pop("headers")[0] == (b"host", b"127.0.0.1")
    assert set(scope.pop("extensions")) == {"websocket.http.response", "gateway.handoff"}
    assert scope == {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": scope["server"],
        "client": None,
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "subprotocols": ["x", "y"],
        "state": {"shared": 1},
    }
    await rig.finish()
    rig.transport.abort()
    await settle()
    rig.transport.dispose()


async def test_early_bytes_come_with_the_socket(rig: Rig) -> None:
    await rig.begin()
    rig.protocol.data_received(b"one ")
    rig.protocol.data_received(b"two")
    rig.handoff.want()
    await rig.send(ACCEPT)
    descriptor, early = rig.handoff.detach()
    assert early == b"one two"
    os.close(descriptor)


async def test_uvicorn_sees_the_connection_or_its_keeper_without_a_gap(rig: Rig) -> None:
    keeper = ConnectionKeeper(lambda: None)
    await rig.accepted()
    assert rig.server.connections == {rig.protocol}
    os.close(rig.handoff.detach().fd)
    rig.handoff.keep(keeper)
    assert rig.server.connections == {rig.protocol, keeper}
    await settle()
    assert rig.server.connections == {keeper}


async def test_a_101_that_does_not_fit_is_waited_for(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    rig.transport.stalled = True
    accepting = asyncio.create_task(rig.send(ACCEPT))
    await settle()
    assert not accepting.done()
    with pytest.raises(RuntimeError, match="ACCEPTING"):
        rig.handoff.detach()
    with pytest.raises(RuntimeError, match="ACCEPTING"):
        await rig.send(ACCEPT)
    rig.transport.flush()
    await accepting
    os.close(rig.handoff.detach().fd)


async def test_a_client_that_goes_while_the_101_is_written_is_gone(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    duplicate = rig.duplicate
    rig.transport.stalled = True
    accepting = asyncio.create_task(rig.send(ACCEPT))
    await settle()
    rig.transport.lose()
    with pytest.raises(ClientDisconnected):
        await accepting
    assert not is_open(duplicate)
    assert (await rig.receive())["code"] == 1006


async def test_an_endpoint_cancelled_while_the_101_is_written_cuts_the_connection(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    duplicate = rig.duplicate
    rig.transport.stalled = True
    accepting = asyncio.create_task(rig.send(ACCEPT))
    await settle()
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    assert rig.transport.ended == ["abort"]
    assert not is_open(duplicate)


async def test_a_shutdown_while_the_101_is_written_cuts_the_connection(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    rig.transport.stalled = True
    accepting = asyncio.create_task(rig.send(ACCEPT))
    await settle()
    rig.protocol.shutdown()
    with pytest.raises(ClientDisconnected):
        await accepting
    assert rig.transport.ended == ["abort"]
    assert b"503" not in rig.transport.output, "nothing may be written into the middle of a 101"


async def test_a_client_that_goes_before_detach_is_gone(rig: Rig) -> None:
    await rig.accepted()
    duplicate = rig.duplicate
    rig.transport.lose()
    with pytest.raises(ConnectionGoneError):
        rig.handoff.detach()  # the transport knows it already; its protocol is told a turn later
    await settle()
    with pytest.raises(ConnectionGoneError):
        rig.handoff.detach()
    assert not is_open(duplicate)


async def test_the_socket_is_detached_once_and_only_if_it_was_asked_for(rig: Rig) -> None:
    await rig.begin()
    with pytest.raises(RuntimeError, match="HANDSHAKE"):
        rig.handoff.detach()
    rig.handoff.want()
    kept = rig.duplicate
    rig.handoff.want()
    assert rig.duplicate == kept
    with pytest.raises(RuntimeError, match="HANDSHAKE"):
        rig.handoff.detach()
    await rig.send(ACCEPT)
    os.close(rig.handoff.detach().fd)
    with pytest.raises(RuntimeError, match="DETACHED"):
        rig.handoff.detach()
    with pytest.raises(RuntimeError, match="before websocket"):
        rig.handoff.want()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_without_a_descriptor_nothing_is_written_and_the_client_can_be_refused(
    rig: Rig, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.begin()

    def dup(descriptor: int) -> int:
        raise OSError(number, "none left")

    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", dup)
        with pytest.raises(NodeFullError, match="ulimit"):
            rig.handoff.want()
    assert rig.transport.output == b""
    await rig.send({"type": "websocket.close"})
    assert rig.transport.output.startswith(b"HTTP/1.1 403 ")


async def test_another_fault_of_the_duplicate_is_not_called_a_full_node(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.begin()

    def dup(descriptor: int) -> int:
        raise OSError(errno.EBADF, "bad")

    with monkeypatch.context() as patched:
        patched.setattr(os, "dup", dup)
        with pytest.raises(OSError, match="bad"):
            rig.handoff.want()


async def test_a_socket_asked_for_after_the_client_left_is_none(rig: Rig) -> None:
    await rig.begin()
    rig.transport.lose()
    await settle()
    rig.handoff.want()
    with pytest.raises(ClientDisconnected):
        await rig.send(ACCEPT)
    assert rig.transport.output == b""


# --- closed instead of detached --------------------------------------------------------------------------------------


async def test_a_close_after_accept_says_goodbye_and_reads_to_the_end(rig: Rig) -> None:
    await rig.accepted()
    duplicate = rig.duplicate
    await rig.send({"type": "websocket.close", "code": 4003, "reason": "no"})
    assert rig.transport.written[-1] == b"\x88\x04\x0f\xa3no"
    assert rig.transport.ended == ["eof"]
    assert rig.transport.reading
    assert not is_open(duplicate)
    rig.protocol.data_received(b"whatever it still says")
    assert (await rig.receive())["type"] == "websocket.disconnect"
    with pytest.raises(ClientDisconnected):
        await rig.send({"type": "websocket.send", "text": "x"})
    with pytest.raises(ConnectionGoneError):
        rig.handoff.detach()
    assert rig.protocol.eof_received() is None, "it hung up: the transport closes"


async def test_a_client_that_does_not_hang_up_is_cut_off(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered_socket, "LINGER_SECONDS", 0.0)
    await rig.accepted()
    await rig.send({"type": "websocket.close"})
    async with asyncio.timeout(5):
        while rig.transport.ended != ["eof", "abort"]:
            await asyncio.sleep(0)
    await settle()
    assert rig.server.connections == set()


async def test_a_code_that_no_frame_can_carry_changes_nothing(rig: Rig) -> None:
    await rig.accepted()
    with pytest.raises(Exception, match="invalid status code"):
        await rig.send({"type": "websocket.close", "code": 99})
    os.close(rig.handoff.detach().fd)


async def test_what_cannot_be_sent_before_detach_is_an_error(rig: Rig) -> None:
    await rig.accepted()
    with pytest.raises(RuntimeError, match="detached or closed"):
        await rig.send({"type": "websocket.send", "text": "x"})
    os.close(rig.handoff.detach().fd)


async def test_an_endpoint_that_ends_while_its_101_is_written_is_cut(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    rig.transport.stalled = True
    accepting = asyncio.create_task(rig.send(ACCEPT))
    await settle()
    await rig.finish()
    with pytest.raises(ClientDisconnected):
        await accepting
    assert rig.transport.ended == ["abort"]


async def test_an_endpoint_that_returns_without_detaching_is_cut_and_told(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.accepted()
    duplicate = rig.duplicate
    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        await rig.finish()
    assert rig.transport.ended == ["abort"]
    assert not is_open(duplicate)
    assert "returned without detaching" in caplog.text
    assert "secret" not in caplog.text


# --- the delegate ----------------------------------------------------------------------------------------------------


async def test_a_plain_accept_becomes_the_stock_class_and_uvicorns_config_stays_its_own(rig: Rig) -> None:
    app = rig.config.loaded_app
    await rig.begin()
    rig.protocol.data_received(text_frame("early"))
    await rig.send(ACCEPT)
    stock = rig.transport.get_protocol()
    assert type(stock) is WebSocketsSansIOProtocol
    assert rig.server.connections == {stock}
    assert rig.config.loaded_app is app
    assert (await rig.receive())["text"] == "early"
    stock.data_received(text_frame("later"))
    assert (await rig.receive())["text"] == "later"
    with pytest.raises(RuntimeError, match="before websocket"):
        rig.handoff.want()
    with pytest.raises(RuntimeError, match="DELEGATED"):
        rig.handoff.detach()


async def test_the_stock_class_is_given_what_was_not_read_yet(rig: Rig) -> None:
    await rig.begin()
    frame = text_frame("x" * 100_000)
    rig.protocol.data_received(frame[:80_000])
    assert not rig.transport.reading
    await rig.send(ACCEPT)
    assert rig.transport.reading, "half a message is no reason for it to stop, so it would never start again"
    rig.transport.get_protocol().data_received(frame[80_000:])
    assert (await rig.receive())["text"] == "x" * 100_000


async def test_an_endpoint_that_asks_and_returns_leaves_no_descriptor(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    duplicate = rig.duplicate
    rig.protocol.data_received(b"x" * 80_000)
    await rig.finish()
    assert rig.transport.output.startswith(b"HTTP/1.1 500 ")
    assert not is_open(duplicate)
    assert rig.transport.reading, "the stock class sees the client hang up"


async def test_an_endpoint_that_is_cancelled_is_cancelled_for_whoever_waits_for_it(rig: Rig) -> None:
    await rig.accepted()
    [task] = rig.server.tasks
    task.cancel()
    await settle()
    assert task.cancelled()
    assert rig.transport.ended == ["abort"]


async def test_a_socket_that_was_asked_for_and_refused_after_all_is_closed(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    duplicate = rig.duplicate
    await rig.send({"type": "websocket.close"})
    assert rig.transport.output.startswith(b"HTTP/1.1 403 ")
    assert not is_open(duplicate)


async def test_somebody_who_waits_for_the_client_is_told_by_the_stock_class(rig: Rig) -> None:
    await rig.begin()
    waiting = asyncio.create_task(rig.receive())
    await settle()
    await rig.send(ACCEPT)
    rig.transport.get_protocol().data_received(text_frame("hello"))
    assert (await waiting)["text"] == "hello"


@pytest.mark.parametrize("head", [request("/").replace(b"13", b"8"), None], ids=["malformed", "tls"])
async def test_what_is_not_ours_goes_to_the_stock_class_at_once(head: bytes | None) -> None:
    rig = Rig(tls=head is None)
    await rig.begin(head)
    stock = rig.transport.get_protocol()
    assert type(stock) is WebSocketsSansIOProtocol, "uvicorn's own set_protocol, made after ours, is undone"
    if head is None:
        assert set(rig.scope["extensions"]) == {"websocket.http.response"}
        assert rig.scope["scheme"] == "wss"
        await rig.send(ACCEPT)
        await rig.finish()
    else:
        assert rig.transport.output.startswith(b"HTTP/1.1 400 ")
        assert rig.scope == {}, "the application is not asked"
    rig.transport.abort()
    await settle()
    assert rig.server.connections == set()
    rig.transport.dispose()


async def test_a_delegate_that_refuses_what_we_took_is_a_client_that_left(rig: Rig) -> None:
    class Refusing(asyncio.Protocol):
        def __init__(self, *, config: Config, server_state: ServerState, app_state: Any) -> None:
            pass

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.close()

    class Ours(HandoffProtocol):
        stock = Refusing

    rig.protocol = Ours(rig.config, rig.server, {})
    await rig.begin()
    with pytest.raises(ClientDisconnected):
        await rig.send(ACCEPT)


async def test_a_message_that_the_delegate_refuses_leaves_it_in_charge(rig: Rig) -> None:
    await rig.begin()
    with pytest.raises(RuntimeError, match="but got 'websocket"):
        await rig.send({"type": "websocket.send", "text": "before any accept"})
    stock = rig.transport.get_protocol()
    await rig.finish()
    assert rig.transport.output.count(b"HTTP/1.1 500 ") == 1
    assert rig.transport.get_protocol() is stock
    assert rig.server.connections == set()


async def test_an_endpoint_cancelled_while_the_delegate_starts_is_its_error(rig: Rig) -> None:
    await rig.begin()
    first = asyncio.create_task(rig.send(ACCEPT))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await rig.finish()
    assert rig.transport.output.count(b"HTTP/1.1 500 ") == 1
    assert rig.server.connections == set()


async def test_two_first_messages_at_once_are_an_error(rig: Rig) -> None:
    await rig.begin()
    first = asyncio.create_task(rig.send(ACCEPT))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="cannot be sent here"):
        await rig.send(ACCEPT)
    await first
    assert rig.transport.output.count(b"HTTP/1.1 101 ") == 1


async def test_a_client_that_goes_while_the_delegate_starts_is_gone(rig: Rig) -> None:
    await rig.begin()
    first = asyncio.create_task(rig.send(ACCEPT))
    await asyncio.sleep(0)
    rig.transport.lose()
    with pytest.raises(ClientDisconnected):
        await first
    assert rig.server.connections == set()


# --- shutdown --------------------------------------------------------------------------------------------------------


async def test_a_shutdown_while_the_endpoint_decides_is_503(rig: Rig) -> None:
    await rig.begin()
    rig.handoff.want()
    duplicate = rig.duplicate
    rig.protocol.shutdown()
    head, _, body = rig.transport.output.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    for message in (ACCEPT, {"type": "websocket.close"}):
        with pytest.raises(ClientDisconnected):
            await rig.send(message)
    await settle()
    assert not is_open(duplicate)


async def test_a_shutdown_after_accept_says_1001_and_a_second_does_not_wait(rig: Rig) -> None:
    await rig.accepted()
    rig.protocol.shutdown()
    assert rig.transport.written[-1] == b"\x88\x02\x03\xe9"
    rig.protocol.shutdown()
    assert rig.transport.ended == ["eof", "close"]


async def test_a_shutdown_of_a_delegate_is_the_stock_class_own(rig: Rig) -> None:
    await rig.begin()
    first = asyncio.create_task(rig.send(ACCEPT))
    await asyncio.sleep(0)
    rig.protocol.shutdown()
    assert b" 500 " in rig.transport.output
    with suppress(ClientDisconnected):
        await first
