"""The WebSocket protocol class that uvicorn loads: `uvicorn app:app --ws gateway.server.handoff:HandoffProtocol`.

It answers one thing itself, the 101 of a connection whose endpoint asked for the socket. Everything else (TLS, a
malformed handshake, a refusal, a plain accept, an endpoint that fails) is answered by uvicorn's own class, the
*delegate*, which is given the same request; so none of that has to be kept in step with uvicorn.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from typing import Any, ClassVar, cast

from uvicorn import Config
from uvicorn.protocols.utils import ClientDisconnected, is_ssl
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from gateway.protocol.close_codes import WSCloseCode
from gateway.server.bridge import Bridge, Channels, Message
from gateway.server.early_bytes import EarlyBytes
from gateway.server.extension import EXTENSION, Handoff
from gateway.server.handshake import Handshake, HandshakeError
from gateway.server.http_protocol import let_go, tail_of_head
from gateway.server.offered_socket import OfferedSocket
from gateway.server.scope import websocket_scope
from gateway.server.stage import Stage

_SHUTTING_DOWN = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 29\r\nConnection: close\r\n\r\n"
    b"The server is shutting down.\n"
)

_log = logging.getLogger("uvicorn.error")


class HandoffProtocol(asyncio.Protocol):
    """One WebSocket from its upgrade request until it has an owner. Event loop only.

    uvicorn makes one per upgrade, calls `connection_made`, gives `data_received` the whole request head, and only then
    sets it as the transport's protocol.

    Attributes:
        stock: the delegate's class. A subclass may name another of uvicorn's.
    """

    stock: ClassVar[type[Any]] = WebSocketsSansIOProtocol
    # Imported with the module: an import at the first refusal would need a descriptor just when there is none.

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config = config
        self._server = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._head: bytes | None = None
        self._connect_given = False
        self._delegate: Any = None
        self._bridge: Bridge | None = None
        self._channels: Channels | None = None
        self._transport: asyncio.Transport
        self._socket: OfferedSocket
        self._handshake: Handshake

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """An HTTP connection of uvicorn's becomes this one."""
        self._transport = cast("asyncio.Transport", transport)
        http_protocol = self._transport.get_protocol()
        early = EarlyBytes(self._transport, tail_of_head(http_protocol))
        self._loop.call_soon(let_go, http_protocol)
        self._socket = OfferedSocket(self._transport, early)
        cast("set[object]", self._server.connections).add(self)

    def data_received(self, data: bytes) -> None:
        """The request head first, then what the client says."""
        if self._head is None:
            self._head = data
            self._begin()
        elif self._socket.stage is Stage.DELEGATED:
            self._delegate.data_received(data)
        else:
            self._socket.on_data(data)

    def eof_received(self) -> bool | None:
        """The client hung up; None lets the transport close."""
        return None if self._delegate is None else cast("bool | None", self._delegate.eof_received())

    def pause_writing(self) -> None:
        """The transport's buffer is over its limit."""
        if self._delegate is not None:
            self._delegate.pause_writing()

    def resume_writing(self) -> None:
        """The transport's buffer is below its limit; on the native way that is: empty."""
        if self._delegate is not None:
            self._delegate.resume_writing()
        else:
            self._socket.on_writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport's own descriptor is closed: by the client, or because the socket was handed over."""
        cast("set[object]", self._server.connections).discard(self)
        self._socket.on_lost()
        if self._delegate is not None:
            self._delegate.connection_lost(exc)
        if self._bridge is not None:
            self._bridge.lost()

    def shutdown(self) -> None:
        """The server shuts down; uvicorn calls this on every connection that it knows."""
        if self._delegate is not None:
            self._delegate.shutdown()
            return
        match self._socket.stage:
            case Stage.HANDSHAKE:
                # Not by the delegate: it would run the application, which is running already.
                self._transport.write(_SHUTTING_DOWN)
                self._transport.close()
            case Stage.ACCEPTING:
                self._socket.abort()  # a part of the 101 may be out; nothing sensible can follow it
            case Stage.ACCEPTED:
                self._socket.close(WSCloseCode.GOING_AWAY)
            case _:
                self._transport.close()

    # --- the application ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        assert self._head is not None  # noqa: S101 - set by the only caller
        try:
            self._handshake = Handshake.parse(self._head)
        except HandshakeError:
            native = False
        else:
            native = not is_ssl(self._transport)
        if not native:
            self._socket.delegate()
            self._start_delegate(self._config)
            # uvicorn sets this object as the protocol when we return, so its successor has to wait for that.
            self._loop.call_soon(self._transport.set_protocol, self._delegate)
            return
        scope = websocket_scope(
            self._handshake,
            self._transport,
            self._config,
            self._app_state,
            {EXTENSION: Handoff(self._socket, self._server)},
        )
        task = self._loop.create_task(self._run(scope), name="websocket-handshake")
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    async def _run(self, scope: dict[str, Any]) -> None:
        """Run the application to its end, and see to it that its connection has one too."""
        error: Exception | asyncio.CancelledError | None = None
        try:
            await self._config.loaded_app(scope, self._receive, self._send)
        except ClientDisconnected:
            pass  # as uvicorn's own classes: the application was told, and let it pass
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - logged here or by the delegate
            error = raised
        await self._conclude(error)
        if isinstance(error, asyncio.CancelledError):
            raise error

    async def _conclude(self, error: Exception | asyncio.CancelledError | None) -> None:
        if self._socket.stage is Stage.HANDSHAKE and not self._transport.is_closing():
            # It ended without an answer: the delegate knows how uvicorn says 500.
            try:
                if self._delegate is None:
                    await self._delegate_late()
            except ClientDisconnected:
                error = error or ClientDisconnected()
            else:
                self._socket.delegate()
        if self._bridge is not None:
            self._bridge.end(error)
            return
        if isinstance(error, Exception):
            _log.error("Exception in ASGI application\n", exc_info=error)
        if self._socket.stage in (Stage.ACCEPTING, Stage.ACCEPTED):
            if error is None:
                _log.error("ASGI callable asked for its socket, accepted, and returned without detaching it.")
            self._socket.abort()

    async def _receive(self) -> Any:
        """ASGI `receive`: `websocket.connect`, then nothing until the connection is lost or the delegate has it.

        Raises:
            RuntimeError: the socket was handed over; its owner hears the client now.
        """
        if not self._connect_given:
            self._connect_given = True
            return {"type": "websocket.connect"}
        await self._socket.settled.wait()
        if self._channels is not None:
            return await self._channels.receive()
        if self._socket.stage is Stage.DETACHED:
            raise RuntimeError("the socket was handed over: what the client says is heard by its new owner")
        return {"type": "websocket.disconnect", "code": WSCloseCode.ABNORMAL}

    async def _send(self, message: Message) -> None:
        """ASGI `send`.

        Raises:
            ClientDisconnected: the connection has ended; an `OSError`, as ASGI 2.4 wants it.
            RuntimeError: the message does not fit here; after the hand-over, none does.
            ValueError: headers or a subprotocol that no 101 can carry; nothing was written.
        """
        if self._channels is not None:
            await self._channels.send(message)
            return
        match self._socket.stage:
            case Stage.LOST | Stage.CLOSING:
                raise ClientDisconnected
            case Stage.HANDSHAKE if self._delegate is None:
                await self._answer(message)
            case Stage.ACCEPTED if message["type"] == "websocket.close":
                self._socket.close(message.get("code", WSCloseCode.NORMAL), message.get("reason") or "")
            case stage:
                raise RuntimeError(
                    f"{message['type']} cannot be sent here: the socket was asked for, so after websocket.accept it is "
                    f"detached or closed, and then its new owner sends (stage: {stage.name})"
                )

    async def _answer(self, message: Message) -> None:
        if self._transport.is_closing():
            raise ClientDisconnected
        if message["type"] == "websocket.accept" and self._socket.reserved:
            headers = [*self._server.default_headers, *message.get("headers", ())]
            await self._socket.accept(self._handshake.reply(message.get("subprotocol") or None, headers))
            return
        channels = await self._delegate_late()
        try:
            await channels.send(message)
        finally:  # also when it refuses the message: it has the connection now
            # And only now, so that nothing that the client said meanwhile overtakes what it said before.
            early = self._socket.delegate()
            self._channels = channels
            self._transport.set_protocol(self._delegate)
        if early and message["type"] == "websocket.accept":
            self._delegate.data_received(early)

    # --- the delegate ---------------------------------------------------------------------------------------------

    def _start_delegate(self, config: Config) -> None:
        self._delegate = self.stock(config=config, server_state=self._server, app_state=self._app_state)
        cast("set[object]", self._server.connections).discard(self)
        self._delegate.connection_made(self._transport)
        self._delegate.data_received(self._head)

    async def _delegate_late(self) -> Channels:
        """Start the delegate with a bridge to the application, which has run up to its first message.

        Raises:
            ClientDisconnected: the connection ended, or the delegate refused the handshake.
        """
        self._bridge = Bridge()
        config = copy.copy(self._config)  # the delegate takes the application from it, and uvicorn's own stays as it is
        config.loaded_app = self._bridge
        self._start_delegate(config)
        return await self._bridge.channels()
