"""A client that prints what it receives."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from gateway.cli.explanations import TailError, explain_close, explain_status
from gateway.cli.speech import note, result
from gateway.protocol.close_codes import WSCloseCode

HEARTBEAT_SECONDS = 30.0
"""Between two pings where `welcome` says nothing else."""

# A message of the gateway is an event of at most 64 KiB with its id and position; a welcome is shorter.
_MAX_MESSAGE_BYTES = 1024 * 1024

_OWN_MESSAGES = frozenset({"welcome", "pong", "gap", "error", "reconnect", "token_refreshed", "sectors_updated"})


class _Message(msgspec.Struct):
    type: str
    heartbeat: float = HEARTBEAT_SECONDS


_decode = msgspec.json.Decoder(_Message).decode


class Listener:
    """One connection, printed to its end. For one event loop, used once.

    Args:
        url: the endpoint.
        token: goes as the subprotocol behind `bearer`.
        count: stop after so many events; None is never.
        show_all: print pongs too.
    """

    def __init__(self, url: str, token: str, *, count: int | None = None, show_all: bool = False) -> None:
        self._url = url
        self._token = token
        self._left = count
        self._show_all = show_all
        self._heartbeat = HEARTBEAT_SECONDS
        self._welcomed = asyncio.Event()

    async def listen(self) -> None:
        """Print until `count` events are there, or the gateway closes with 1000.

        Raises:
            TailError: the gateway cannot be reached, refused, fell silent, or closed with another code.
            BrokenPipeError: nobody reads what is printed.
        """
        async with contextlib.AsyncExitStack() as stack:
            socket = await self._open(stack)
            pinging = asyncio.create_task(self._ping(socket), name="tail-ping")
            stack.callback(pinging.cancel)
            try:
                await self._print_all(socket)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else WSCloseCode.ABNORMAL
                if code != WSCloseCode.NORMAL:
                    raise TailError(explain_close(code, closed.rcvd.reason if closed.rcvd else "")) from None
            except TimeoutError:
                raise TailError(
                    f"the gateway has not answered a ping for {2 * self._heartbeat:g} s; the connection is dead"
                ) from None

    async def _open(self, stack: contextlib.AsyncExitStack) -> ClientConnection:
        try:
            return await stack.enter_async_context(
                connect(
                    self._url,
                    subprotocols=[Subprotocol("bearer"), Subprotocol(self._token)],
                    max_size=_MAX_MESSAGE_BYTES,
                    # The gateway's heartbeat is a message; a protocol ping would say nothing about the application.
                    ping_interval=None,
                    proxy=None if _on_loopback(self._url) else True,
                )
            )
        except InvalidStatus as error:
            raise TailError(explain_status(error.response.status_code)) from None
        except (InvalidHandshake, WebSocketException) as error:
            raise TailError(f"{self._url} does not answer like a gateway: {error}") from None
        except TimeoutError:
            raise TailError(f"{self._url} did not answer in time; is a gateway running there?") from None
        except OSError as error:
            raise TailError(f"{self._url} cannot be reached: {_reason(error)}; is a gateway running there?") from None

    async def _print_all(self, socket: ClientConnection) -> None:
        while self._left is None or self._left > 0:
            # Every ping is answered, so that silence for two of them means that nobody is there.
            async with asyncio.timeout(2 * self._heartbeat):
                message = await socket.recv()
            self._print(message)

    def _print(self, message: str | bytes) -> None:
        try:
            # On one line, however the producer laid it out; members and numbers stay as they are.
            line = msgspec.json.format(message, indent=-1)
            kind = self._kind(message)
        except msgspec.DecodeError:
            note(f"the gateway sent something that is not a JSON message ({len(message)} long)")
            return
        if kind == "pong" and not self._show_all:
            return
        result(line if isinstance(line, str) else line.decode())
        if kind == "event" and self._left is not None:
            self._left -= 1

    def _kind(self, message: str | bytes) -> Literal["pong", "own", "event"]:
        read = _decode(message)
        if read.type == "welcome":
            self._heartbeat = max(read.heartbeat, 1.0)
            self._welcomed.set()
        if read.type == "pong":
            return "pong"
        return "own" if read.type in _OWN_MESSAGES else "event"

    async def _ping(self, socket: ClientConnection) -> None:
        await self._welcomed.wait()
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._heartbeat)
                await socket.send("ping")


def _reason(error: OSError) -> str:
    """The system's own words; asyncio puts a description of the call in their place."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)


def _on_loopback(url: str) -> bool:
    """No proxy of the environment reaches this machine's own loopback."""
    host = urlsplit(url).hostname or ""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
