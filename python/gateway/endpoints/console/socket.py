"""`/ws/console`: the page's own WebSocket.

An ordinary socket of the server on the event loop: the hand-off to the core is for clients, of whom there are many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from math import ceil
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.endpoints.api.keys import KeyHolder, Scope
from gateway.endpoints.console import messages
from gateway.endpoints.console.access import Access, access_of, holder_from, is_own_page, key_from
from gateway.endpoints.console.desk import Desk
from gateway.endpoints.console.tail import EventTail
from gateway.protocol.close_codes import WSCloseCode, reason_phrase
from gateway.telemetry.logging import get_logger

PATH: Final = "/ws/console"

STATUS_SECONDS: Final = 1.0
"""Between two statuses."""

TAIL_SECONDS: Final = 0.25
"""Between two parts of the tail: at once for the eye, and one message for many events."""

SEND_SECONDS: Final = 10.0
"""How long one message may wait for a slow operator before the socket is given up."""

_log = get_logger("gateway.endpoints.console")


def console_socket_router(desk: Callable[[], Desk]) -> APIRouter:
    """The route; `desk()` is asked at each handshake, since a gateway starts after its routes exist."""
    router = APIRouter()

    async def endpoint(websocket: WebSocket) -> None:
        await _Handshake(desk(), websocket).run()

    router.add_websocket_route(PATH, endpoint, name="ws-console")
    return router


class _Handshake:
    """One operator, from the handshake to the end."""

    def __init__(self, desk: Desk, websocket: WebSocket) -> None:
        self._desk = desk
        self._websocket = websocket

    async def run(self) -> None:
        desk, websocket = self._desk, self._websocket
        if wait := desk.edge.attempts.wait(websocket):
            await self._deny(HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts from this address.", retry_after=wait)
            return
        if not is_own_page(websocket):
            await self._deny(HTTPStatus.FORBIDDEN, "Only the console's own page may connect from a browser.")
            return
        bearer = key_from(websocket)
        if bearer.token is None and access_of(desk.edge, websocket) is not Access.OPEN:
            await self._deny(
                HTTPStatus.UNAUTHORIZED, "A key of the operator API is needed: the subprotocols `bearer, <key>`."
            )
            return
        try:
            # Accepted before it is judged, so that a browser can read the close code.
            await websocket.accept(bearer.subprotocol)
            holder = holder_from(desk.edge, websocket, bearer.token)
            if holder is None:
                await self._close(WSCloseCode.AUTH_FAILED)
            elif Scope.READ not in holder.scopes:
                await self._close(WSCloseCode.FORBIDDEN)
            elif desk.is_full:
                await self._close(WSCloseCode.RATE_LIMITED)
            else:
                with desk.seat():
                    await _Session(desk, websocket, holder).run()
        except (WebSocketDisconnect, RuntimeError, OSError):
            _log.debug("an operator's page is gone")

    async def _close(self, code: WSCloseCode) -> None:
        _log.info("an operator's page was refused", code=int(code))
        await self._websocket.close(code, reason_phrase(code))

    async def _deny(self, status: HTTPStatus, sentence: str, *, retry_after: float | None = None) -> None:
        _log.info("an operator's page was denied", status=int(status))
        headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
        if retry_after is not None:
            headers["Retry-After"] = str(ceil(retry_after))
        if "websocket.http.response" in self._websocket.scope.get("extensions", {}):
            await self._websocket.send_denial_response(PlainTextResponse(sentence + "\n", status, headers))
        else:
            await self._websocket.close()


class _Session:
    """An admitted operator: one task reads what is asked, one writes status and tail, and the first to end ends both.

    What is slow is slow for itself: while a message waits to be sent, the tail fills up and then counts what it skips,
    and no status is made.
    """

    def __init__(self, desk: Desk, websocket: WebSocket, holder: KeyHolder) -> None:
        self._desk = desk
        self._websocket = websocket
        self._holder = holder
        self._tail: EventTail | None = None

    async def run(self) -> None:
        desk = self._desk
        tokens = desk.token_maker is not None and Scope.OPERATE in self._holder.scopes
        await self._send(messages.welcome(desk.edge.manager.node, self._holder.scopes, tokens=tokens))
        with ExitStack() as watching:
            reader = asyncio.create_task(self._read(watching), name="console-read")
            writer = asyncio.create_task(self._write(), name="console-write")
            try:
                await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                reader.cancel()
                writer.cancel()
                ends = await asyncio.gather(reader, writer, return_exceptions=True)
        for end in ends:
            if isinstance(end, TimeoutError):
                _log.info("an operator's page reads too slowly, and is given up")
                await self._give_up()
            elif isinstance(end, Exception) and not isinstance(end, WebSocketDisconnect | RuntimeError | OSError):
                _log.error("an operator's page failed", exc_info=end)
                await self._websocket.close(WSCloseCode.SERVER_ERROR)

    async def _give_up(self) -> None:
        # The close frame waits behind what is not read; a moment is enough for whoever still reads.
        try:
            async with asyncio.timeout(1.0):
                await self._websocket.close(WSCloseCode.SERVER_OVERLOADED)
        except TimeoutError:
            pass

    async def _read(self, watching: ExitStack) -> None:
        while (message := await self._websocket.receive())["type"] == "websocket.receive":
            try:
                asked = messages.parse_request(message.get("text") or "")  # a binary message is none of the page's
            except ValueError as error:
                await self._send(messages.error(str(error)))
                continue
            if not asked.on:
                watching.close()
                self._tail = None
            elif self._tail is None:
                self._tail = EventTail(self._desk.clock, asked.filter)
                watching.enter_context(self._desk.tap.watched(self._tail))
            else:
                self._tail.change(asked.filter)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        status_at = loop.time()
        slow_clients, told = self._desk.slow_clients, -1
        while True:
            if slow_clients.total != told:
                told = slow_clients.total
                await self._send(messages.slow(slow_clients.newest_first()))
            if loop.time() >= status_at:
                await self._send(messages.status(await self._desk.status()))
                status_at = max(status_at + STATUS_SECONDS, loop.time())
            tail = self._tail
            if tail is not None and (shown := tail.take()):
                await self._send(messages.events(shown, tail))
            await asyncio.sleep(min(TAIL_SECONDS, max(0.0, status_at - loop.time())))

    async def _send(self, text: str) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._websocket.send_text(text)
