"""One person's connection: a real WebSocket client that reports everything it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from gateway.demo.attendance import Attendance
from gateway.demo.errors import DemoError
from gateway.demo.scoreboard import Arrival, Scoreboard
from gateway.demo.world import Persona
from gateway.protocol.close_codes import WSCloseCode, reason_phrase
from gateway.types import Room

OPEN_SECONDS = 10.0
"""How long a connection may take from TCP to `welcome`."""


class _Message(msgspec.Struct):
    """What is read of a message; an event has the ids, the gateway's own messages have not."""

    type: str
    tenant_id: int | None = None
    branch_id: int | None = None
    publication: int | None = None
    dropped: int = 0
    heartbeat: float = 30.0


_decode = msgspec.json.Decoder(_Message).decode


class Guest:
    """A connected person. For one event loop; `Guest.arrive` makes one."""

    def __init__(self, persona: Persona, attendance: Attendance, scoreboard: Scoreboard) -> None:
        self.persona = persona
        self._attendance = attendance
        self._scoreboard = scoreboard
        self._number = attendance.new_number()
        self._all_received = asyncio.Event()
        self._leaving = False
        self._connected = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def arrive(
        cls, persona: Persona, url: str, token: str, attendance: Attendance, scoreboard: Scoreboard
    ) -> Guest:
        """Connect, wait for `welcome`, and read from then on.

        Args:
            persona: who comes.
            url: the gateway, as `ws://127.0.0.1:8001`.
            token: the person's own token; it goes as a subprotocol, never in the URL.
            attendance: where the person is entered.
            scoreboard: where everything that arrives is reported.

        Raises:
            DemoError: the gateway refused, or did not answer in time.
        """
        guest = cls(persona, attendance, scoreboard)
        address = f"{url}/ws/{persona.post}"
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    # Loopback needs neither a proxy nor compression; the heartbeat is the application's.
                    opening = connect(
                        address,
                        subprotocols=[Subprotocol("bearer"), Subprotocol(token)],
                        compression=None,
                        proxy=None,
                        ping_interval=None,
                    )
                    socket = await stack.enter_async_context(opening)
                    welcome = _decode(await socket.recv())
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError, msgspec.DecodeError) as error:
                raise DemoError(f"{persona.name} could not connect to {address}: {error}") from error
            # From here on `depart` closes the connection.
            stack.pop_all()
        guest._begin(socket, welcome.heartbeat)
        return guest

    async def settle(self, seconds: float) -> None:
        """Expect nothing new from now on, and wait until everything expected is here, for at most so long."""
        self._attendance.leave(self._number)
        self._leaving = True
        if self._scoreboard.owed(self._number):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_received.wait()

    async def depart(self, seconds: float) -> None:
        """Settle, then close the connection with 1000."""
        await self.settle(seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        self._gone()

    def _begin(self, socket: ClientConnection, heartbeat: float) -> None:
        self._socket = socket
        self._connected = True
        self._scoreboard.joined(self._number, self.persona)
        self._attendance.enter(self._number, self.persona)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._ping(heartbeat))]

    def _gone(self) -> None:
        self._attendance.leave(self._number)
        if self._connected:
            self._connected = False
            self._scoreboard.left(self._number, self.persona)

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._socket.recv())
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else WSCloseCode.ABNORMAL
            self._gone()
            self._scoreboard.trouble(f"{self.persona.name} was disconnected: {int(code)} {reason_phrase(code)}")
            # What is still owed will not come; whoever waits for it need not.
            self._all_received.set()

    def _take(self, text: str | bytes) -> None:
        now = time.perf_counter()
        try:
            message = _decode(text)
        except msgspec.DecodeError as error:
            self._scoreboard.trouble(f"{self.persona.name} received something that is not a message: {error}")
            return
        if message.tenant_id is not None and message.branch_id is not None:
            arrival = Arrival(message.publication or 0, message.type, Room(message.tenant_id, message.branch_id))
            # Somebody else may publish to the demo's tenants from another terminal; that is no fault.
            if message.publication is not None:
                self._scoreboard.received(self._number, self.persona, arrival, now)
            elif arrival.room.tenant != self.persona.tenant:
                self._scoreboard.trouble(f"{self.persona.name} received {arrival.type} of another tenant")
        elif message.type == "gap":
            self._scoreboard.trouble(f"{self.persona.name} was told of {message.dropped} dropped events")
        if self._leaving and not self._scoreboard.owed(self._number):
            self._all_received.set()

    async def _ping(self, heartbeat: float) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(heartbeat)
                await self._socket.send("ping")
