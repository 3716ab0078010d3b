"""One WebSocket connection: a port for the session, and its adapter for the `websockets` library."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from gateway.protocol.close_codes import WSCloseCode

# A message of the gateway is an event of at most 64 KiB with its id and position; a welcome is shorter.
_MAX_MESSAGE_BYTES: Final = 1024 * 1024

CLOSE_SECONDS: Final = 2.0
"""So long the gateway may take to answer a close."""


class LinkOwner(Protocol):
    """Hears of one link."""

    def message(self, text: str | bytes) -> None:
        """A message came."""
        ...

    def closed(self, code: int, cause: BaseException | None) -> None:
        """It is over, or never came about; 1006 where no close frame came. The last that is heard of it."""
        ...


class Link(Protocol):
    """One connection, from its first byte. Nothing raises, whatever state it is in."""

    def send(self, text: str) -> None:
        """Send, if it still can."""
        ...

    def close(self) -> None:
        """Close in good order, with 1000."""
        ...

    def drop(self) -> None:
        """Cut: nobody is there any more."""
        ...


class WebSocketLink:
    """`Link` on `websockets`. For one event loop; begins at once.

    Args:
        url: with everything but the token.
        token: goes as the subprotocol behind `bearer`, so that it stands in no URL and in no proxy's log.
        owner: hears of it.
        room: is awaited after each message; while it waits, nothing is read.
    """

    def __init__(self, url: str, token: str, owner: LinkOwner, room: Callable[[], Awaitable[None]]) -> None:
        self._url = url
        self._token = token
        self._owner = owner
        self._room = room
        self._socket: ClientConnection | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run(), name="gateway-client-link")

    def send(self, text: str) -> None:
        """See `Link.send`."""
        if self._socket is not None:
            task = asyncio.create_task(self._send(self._socket, text), name="gateway-client-send")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    def close(self) -> None:
        """See `Link.close`."""
        self._task.cancel()

    def drop(self) -> None:
        """See `Link.drop`."""
        if self._socket is not None:
            self._socket.transport.abort()
        self._task.cancel()

    def when_gone(self, call: Callable[[], None]) -> None:
        """Call when it is over, whatever its end."""
        self._task.add_done_callback(lambda _task: call())

    async def gone(self) -> None:
        """Return when nothing of it is left; after `close` or `drop`."""
        await asyncio.wait({self._task, *self._sending})

    async def _run(self) -> None:
        code, cause = await self._read()
        self._owner.closed(code, cause)

    async def _read(self) -> tuple[int, BaseException | None]:
        try:
            socket = self._socket = await connect(
                self._url,
                subprotocols=[Subprotocol("bearer"), Subprotocol(self._token)],
                max_size=_MAX_MESSAGE_BYTES,
                # The gateway's heartbeat is a message; a protocol ping would say nothing about the application. How
                # long an attempt may take is the session's to say.
                ping_interval=None,
                open_timeout=None,
                close_timeout=CLOSE_SECONDS,
                proxy=None if _on_loopback(self._url) else True,
            )
        except (WebSocketException, OSError, TimeoutError) as error:
            return WSCloseCode.ABNORMAL, error
        try:
            while True:
                self._owner.message(await socket.recv())
                await self._room()
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else WSCloseCode.ABNORMAL), closed
        finally:
            # Not `async with`, which says 1011 where it is left by a cancellation.
            await socket.close()

    async def _send(self, socket: ClientConnection, text: str) -> None:
        # A connection that cannot be sent on is found out by reading.
        with contextlib.suppress(ConnectionClosed):
            await socket.send(text)


def _on_loopback(url: str) -> bool:
    """No proxy of the environment reaches this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
