"""An ASGI application that stands in for one that is running already."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple

from uvicorn.protocols.utils import ClientDisconnected

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Channels(NamedTuple):
    """The two callables that a server gives to an application."""

    receive: Receive
    send: Send


class Bridge:
    """Joins an application that has run up to its first message with a server class that would start one.

    The class starts the bridge; the bridge gives the class' channels to the application, and ends as it ends, so that
    the class logs and answers an error as its own. Event loop only.
    """

    def __init__(self) -> None:
        self._channels: asyncio.Future[Channels] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._error: BaseException | None = None

    async def __call__(self, _scope: Any, receive: Receive, send: Send) -> None:
        """What the class runs."""
        await receive()  # websocket.connect: the application has had its own
        if not self._channels.done():
            self._channels.set_result(Channels(receive, send))
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def channels(self) -> Channels:
        """Wait until the class has started the bridge.

        Raises:
            ClientDisconnected: it will not, since the client has gone or was refused.
        """
        return await self._channels

    def lost(self) -> None:
        """The connection ended."""
        if not self._channels.done():
            self._channels.set_exception(ClientDisconnected())
            self._channels.exception()  # seen: whether somebody waits for it or not

    def end(self, error: BaseException | None) -> None:
        """The application has ended, with this error or none."""
        self._error = error
        self._ended.set()
