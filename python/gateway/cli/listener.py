"""A client that prints what it receives."""

from __future__ import annotations

import os
from typing import Literal

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from gateway.cli.explanations import TailError, explain_close, explain_status
from gateway.cli.speech import note, result
from gateway.client import Client, Endpoint, GaveUpError, State, Timing
from gateway.client.messages import OWN_TYPES, read
from gateway.protocol.close_codes import WSCloseCode

ONCE = Timing(attempts=0)
"""A listener that is to end with its connection, so that a script sees the end."""


class Listener:
    """One client, printed to its end. For one event loop, used once.

    Args:
        url: the gateway's.
        endpoint: where to connect.
        token: goes as the subprotocol behind `bearer`.
        count: stop after so many events; None is never.
        show_all: print pongs too.
        timing: `ONCE` ends with the connection; any other comes back as it says.
    """

    def __init__(
        self,
        url: str,
        endpoint: Endpoint,
        token: str,
        *,
        count: int | None = None,
        show_all: bool = False,
        timing: Timing = ONCE,
    ) -> None:
        self._url = url
        self._endpoint = endpoint
        self._token = token
        self._left = count
        self._show_all = show_all
        self._timing = timing
        self._lost = False

    async def listen(self) -> None:
        """Print until `count` events are there, or the gateway closes with 1000.

        Raises:
            TailError: the gateway cannot be reached, refused, fell silent, or closed with another code, and the client
                does not come back.
            BrokenPipeError: nobody reads what is printed.
        """
        try:
            client = Client(
                self._url,
                self._endpoint,
                token=self._token,
                on_message=self._print,
                on_state=self._say,
                timing=self._timing,
            )
        except ValueError as error:
            raise TailError(str(error)) from None
        try:
            async with client:
                async for _ in client:
                    if self._left == 0:
                        return
        except GaveUpError as error:
            if error.code != WSCloseCode.NORMAL:
                raise TailError(self._why(error)) from None

    def _print(self, message: str | bytes) -> None:
        if self._left == 0:
            return
        kind = self._kind(message)
        if kind is None:
            note(f"the gateway sent something that is not a JSON message ({len(message)} long)")
            return
        if kind == "pong" and not self._show_all:
            return
        # On one line, however the producer laid it out; members and numbers stay as they are.
        line = msgspec.json.format(message, indent=-1)
        result(line if isinstance(line, str) else line.decode())
        if kind == "event" and self._left is not None:
            self._left -= 1

    def _kind(self, message: str | bytes) -> Literal["pong", "own", "event"] | None:
        known = read(message)
        if known is None:
            return None
        if known["type"] == "pong":
            return "pong"
        return "own" if known["type"] in OWN_TYPES else "event"

    def _say(self, state: State) -> None:
        # Once for each loss, and not for each attempt.
        if state is State.WAITING and not self._lost:
            note("the connection is lost; coming back")
        self._lost = state is State.WAITING or (self._lost and state is not State.OPEN)

    def _why(self, error: GaveUpError) -> str:
        """What ended the last connection, in words."""
        match error.__cause__:
            case InvalidStatus() as refused:
                return explain_status(refused.response.status_code)
            case ConnectionClosed() as closed:
                return explain_close(error.code, closed.rcvd.reason if closed.rcvd else "")
            case WebSocketException() as other:
                return f"{self._url} does not answer like a gateway: {other}"
            case TimeoutError() as silent if silent.args and not silent.errno:
                return f"{silent}; the connection is dead"
            case OSError() as unreachable:
                return f"{self._url} cannot be reached: {_reason(unreachable)}; is a gateway running there?"
            case _:
                return explain_close(error.code, "")


def _reason(error: OSError) -> str:
    """The system's own words; asyncio puts a description of the call in their place."""
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)
