"""An application for uvicorn whose endpoints do with their sockets whatever a test asks: `/native`, `/refuse`, …

Behaviours that end in `?gate=<name>` wait until `GET /gates/<name>` opens it, so that a test needs no sleeping.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from gateway.errors import NodeFullError
from gateway.server.extension import Handoff
from gateway.server.keeper import ConnectionKeeper
from tests.support.tiny_core import TinyCore


class Server:
    """What one process holds."""

    def __init__(self) -> None:
        self.keeper = ConnectionKeeper(lambda: self.core.close_all(1001))
        self.core = TinyCore(on_empty=self.keeper.empty)
        self.gates: dict[str, asyncio.Event] = {}
        self.seen: list[str] = []

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())


_server: Server


class Peer:
    """One WebSocket in the hands of its endpoint."""

    def __init__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        self.query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self.receive = receive
        self.send = send
        found = scope["extensions"].get("gateway.handoff")
        assert found is None or isinstance(found, Handoff)
        self.handoff = found

    async def gate(self) -> None:
        """Wait for the test, if it says so."""
        if name := self.query.get("gate"):
            _server.seen.append(f"{name} reached")
            await _server.gate(name).wait()

    def want(self) -> Handoff:
        assert self.handoff is not None
        self.handoff.want()
        return self.handoff

    async def accept(self, **more: Any) -> None:
        await self.send({"type": "websocket.accept", **more})

    def detach(self, handoff: Handoff) -> None:
        _server.core.adopt(handoff.detach())
        handoff.keep(_server.keeper)

    async def echo(self) -> None:
        while (message := await self.receive())["type"] == "websocket.receive":
            await self.send({"type": "websocket.send", "text": message["text"]})


# --- behaviours ------------------------------------------------------------------------------------------------------


async def native(peer: Peer) -> None:
    """Hand over, or, where that cannot be, the ASGI way: what the gateway's endpoints do."""
    await peer.gate()
    if peer.handoff is None:
        await peer.accept()
        await peer.echo()
        return
    try:
        handoff = peer.want()
    except NodeFullError as error:
        await deny(peer, 503, str(error))
        return
    await peer.accept(subprotocol=peer.query.get("subprotocol"), headers=[(b"x-answer", b"42")])
    peer.detach(handoff)


async def accepted(peer: Peer) -> None:
    """Wait between accept and detach."""
    handoff = peer.want()
    await peer.accept()
    await peer.gate()
    peer.detach(handoff)


async def plain(peer: Peer) -> None:
    await peer.gate()
    await peer.accept()
    await peer.echo()


async def wanted_then_refused(peer: Peer) -> None:
    peer.want()
    await peer.send({"type": "websocket.close"})


async def refuse(peer: Peer) -> None:
    await peer.gate()
    await peer.send({"type": "websocket.close"})


async def deny(peer: Peer, status: int = 418, body: str = "short and stout") -> None:
    await peer.send({"type": "websocket.http.response.start", "status": status, "headers": [(b"x-tea", b"yes")]})
    await peer.send({"type": "websocket.http.response.body", "body": body[:5].encode(), "more_body": True})
    await peer.send({"type": "websocket.http.response.body", "body": body[5:].encode()})


async def fail(peer: Peer) -> None:
    raise RuntimeError("the endpoint fails on purpose")


async def forget(peer: Peer) -> None:
    """Return without an answer."""


async def accepted_then_fail(peer: Peer) -> None:
    peer.want()
    await peer.accept()
    raise RuntimeError("the endpoint fails on purpose")


async def accepted_then_forget(peer: Peer) -> None:
    peer.want()
    await peer.accept()


async def accepted_then_cancelled(peer: Peer) -> None:
    peer.want()
    await peer.accept()
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)


async def accepted_then_closed(peer: Peer) -> None:
    peer.want()
    await peer.accept()
    await peer.gate()
    await peer.send({"type": "websocket.close", "code": 4003, "reason": "forbidden"})


async def detached_then_more(peer: Peer) -> None:
    """Go on as if nothing had happened."""
    handoff = peer.want()
    await peer.accept()
    peer.detach(handoff)
    for attempt in (peer.receive(), peer.send({"type": "websocket.send", "text": "?"})):
        try:
            await attempt
        except RuntimeError as error:
            _server.seen.append(str(error))


async def bad_accept(peer: Peer) -> None:
    """Try what must not be written, then accept properly."""
    handoff = peer.want()
    for more in (
        {"headers": [(b"x-a", b"1\r\nset-cookie: stolen=1")]},
        {"headers": [(b"x a", b"1")]},
        {"headers": [(b"Sec-WebSocket-Extensions", b"permessage-deflate")]},
        {"subprotocol": "not-offered"},
    ):
        try:
            await peer.accept(**more)
        except ValueError as error:
            _server.seen.append(str(error))
    await peer.accept()
    peer.detach(handoff)


async def watch(peer: Peer) -> None:
    """Wait for the client to leave before anything was answered."""
    await peer.gate()
    message = await peer.receive()
    _server.seen.append(f"{message['type']} {message['code']}")
    try:
        await peer.accept()
    except OSError as error:
        _server.seen.append(type(error).__name__)


_BEHAVIOURS: dict[str, Callable[[Peer], Awaitable[None]]] = {
    f"/{behaviour.__name__}": behaviour
    for behaviour in (
        native,
        accepted,
        plain,
        wanted_then_refused,
        refuse,
        deny,
        fail,
        forget,
        accepted_then_fail,
        accepted_then_forget,
        accepted_then_cancelled,
        accepted_then_closed,
        detached_then_more,
        bad_accept,
        watch,
    )
}

# --- the application -------------------------------------------------------------------------------------------------


def _state() -> dict[str, Any]:
    import uvicorn  # noqa: PLC0415 - only to say which one it is

    return {
        "pid": os.getpid(),
        "uvicorn": uvicorn.__version__,
        "loop": type(asyncio.get_running_loop()).__module__.split(".", maxsplit=1)[0],
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "tasks": len(asyncio.all_tasks()),
        "native": _server.core.count,
        "seen": _server.seen,
    }


async def _http(scope: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    path = scope["path"]
    if path.startswith("/gates/"):
        _server.gate(path.removeprefix("/gates/")).set()
    body = json.dumps(_state()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """See the module."""
    global _server  # noqa: PLW0603 - made on the loop that serves
    if scope["type"] == "lifespan":
        await receive()
        _server = Server()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        _server.core.stop()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await _http(scope, send)
    else:
        assert (await receive())["type"] == "websocket.connect"
        await _BEHAVIOURS[scope["path"]](Peer(scope, receive, send))
