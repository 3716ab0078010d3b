"""A correct client: it keeps its positions, and comes back with them, to whichever node takes it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from gateway.resilience.jitter import DecorrelatedJitter
from tests.faults.node import Node
from tests.faults.recorder import ClientLog
from tests.faults.seat import Seat

WELCOME_SECONDS = 15.0
PING_SECONDS = 1.0
ABNORMAL = 1006
FINAL = frozenset({1000, 1002, 1003, 1007, 1008, 1009, 4001, 4003, 4029})
"""Codes after which a client does not come back; here nobody earns one."""


class Guest:
    """One client, with a task of its own. For one event loop.

    Args:
        seat: who it is.
        nodes: where it may connect; the first is its home, after a failure it tries the next.
    """

    def __init__(self, seat: Seat, nodes: Sequence[Node]) -> None:
        self.log = ClientLog(seat)
        self._nodes = itertools.cycle(nodes)
        self._node = next(self._nodes)
        self._present = asyncio.Event()
        self._present.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self._connection: ClientConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self.joined = asyncio.Event()

    def start(self) -> None:
        """Connect, and go on for ever."""
        self._task = asyncio.create_task(self._run(), name=self.log.seat.name)

    async def stop(self) -> None:
        """Leave for good; the log stays."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def leave(self) -> None:
        """Go away, like a telephone in a tunnel: no close frame, until `come_back`."""
        self._present.clear()
        if self._connection is not None:
            self._connection.transport.abort()
        while self.joined.is_set():
            await asyncio.sleep(0.01)

    def come_back(self) -> None:
        """Connect again."""
        self._present.set()

    def stop_reading(self) -> None:
        """Let what comes pile up, until `read_on`. The library holds a few messages, then the socket fills."""
        self._reading.clear()

    def read_on(self) -> None:
        """Read again."""
        self._reading.set()

    async def _run(self) -> None:
        jitter = DecorrelatedJitter(0.05, 1.0)
        while True:
            await self._present.wait()
            if await self._visit():
                jitter.reset()
            if self._present.is_set():
                self._node = next(self._nodes)
                await asyncio.sleep(jitter.next())

    async def _visit(self) -> bool:
        """One connection, from dialling to its end; whether it was welcomed."""
        welcomed = False
        code = ABNORMAL
        dialled = asyncio.get_running_loop().time()
        try:
            async with connect(
                self._url(), compression=None, open_timeout=WELCOME_SECONDS, ping_interval=None, close_timeout=1
            ) as connection:
                await self._greet(connection, dialled)
                welcomed = True
                await self._listen(connection)
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else ABNORMAL
        except (OSError, WebSocketException, TimeoutError):
            pass
        finally:
            self._connection = None
            self.joined.clear()
            if welcomed:
                self.log.end(code, asyncio.get_running_loop().time())
        if code in FINAL:
            self.log.strange.append(f"closed with {code}, after which a client does not come back")
        return welcomed

    def _url(self) -> str:
        query = self.log.seat.query()
        if self.log.connections:
            query["resume"] = ",".join(f"{branch}:{position}" for branch, position in self.log.positions.items())
        return f"{self._node.ws}{self.log.seat.path}?{urlencode(query)}"

    async def _greet(self, connection: ClientConnection, dialled: float) -> None:
        asked = dict(self.log.positions) if self.log.connections else {}
        async with asyncio.timeout(WELCOME_SECONDS):
            text = await connection.recv()
        now = asyncio.get_running_loop().time()
        self.log.welcome(self._node.name, str(text), asked, dialled=dialled, now=now)
        self._connection = connection
        self.joined.set()

    async def _listen(self, connection: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        pinging = asyncio.create_task(self._ping(connection))
        try:
            while True:
                await self._reading.wait()
                self.log.take(str(await connection.recv()), loop.time())
        finally:
            pinging.cancel()

    @staticmethod
    async def _ping(connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(PING_SECONDS)
                await connection.send("ping")
