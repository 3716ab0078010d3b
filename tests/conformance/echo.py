"""The echo that the Autobahn cases talk to: the native read side and the hand-off, with every message given back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.fanout.base import ConnectionIdentity, FanoutLimits, Membership
from gateway.fanout.native import NativeCore, Said
from gateway.types import ConnectionId, Room
from tests.support.gateway import run_uvicorn

LIMITS = FanoutLimits(
    # The suite sends messages of up to 16 MiB, and expects them back; a gateway's clients may not.
    max_message_bytes=32 * 1024 * 1024,
    outbox_bytes=64 * 1024 * 1024,
    message_rate=0,
    heartbeat_timeout=600.0,
)


class Echo:
    """An ASGI application that hands each WebSocket over, and answers what is said with the same."""

    def __init__(self) -> None:
        self.core = NativeCore(LIMITS, reactors=1, all_messages=True)
        self._ids = itertools.count(1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        assert scope["type"] == "websocket"
        handoff = scope["extensions"]["gateway.handoff"]
        handoff.want()
        await receive()
        await send({"type": "websocket.accept"})
        room = Membership(Room(1, 1), ("echo",))
        self.core.adopt(ConnectionId(next(self._ids)), [room], ConnectionIdentity(1), handoff.detach(), None)
        self._answer()  # a change of the index is told without a signal, to whoever made it

    async def _lifespan(self, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        await receive()
        assert self.core.notice_fd is not None
        loop.add_reader(self.core.notice_fd, self._answer)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        loop.remove_reader(self.core.notice_fd)
        self.core.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _answer(self) -> None:
        for notice in self.core.notices():
            if isinstance(notice, Said):
                self.core.answer(notice.connection, notice.message)


@contextmanager
def run_echo() -> Iterator[int]:
    """Serve the echo until the block ends; its port."""
    with run_uvicorn(Echo(), ws="gateway.server.handoff:HandoffProtocol") as (port, _):
        yield port
