"""The server's side of an ASGI WebSocket, in memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class FakeSocket:
    """Keeps `AsgiSocket`: records what is sent, gives what the test says, and can stall as a slow client does.

    Attributes:
        sent: every ASGI message that the client has got.
        reads: how often `receive` was called; one more than the messages given when somebody waits.
    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reads = 0
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._broken: Exception | None = None
        self._in_hand: dict[str, Any] | None = None

    # --- the server ---

    async def receive(self) -> dict[str, Any]:
        self.reads += 1
        return await self._inbox.get()

    async def send(self, message: Any) -> None:
        self._in_hand = message
        try:
            await self._flowing.wait()
        finally:
            self._in_hand = None
        if self._broken is not None:
            raise self._broken
        self.sent.append(message)

    # --- the client ---

    def say(self, text: str) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})

    def say_bytes(self, data: bytes) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "bytes": data})

    def hang_up(self, code: int | None = 1000) -> None:
        message: dict[str, Any] = {"type": "websocket.disconnect"}
        self._inbox.put_nowait(message if code is None else {**message, "code": code})

    def stall(self) -> None:
        """From now on `send` does not return."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def break_off(self, error: Exception) -> None:
        """From now on `send` raises, also the one that is stalled."""
        self._broken = error
        self._flowing.set()

    # --- what the test looks at ---

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def events(self) -> list[Any]:
        return [json.loads(text) for text in self.texts]

    @property
    def held(self) -> list[Any]:
        """The event that a `send` which has not returned holds; at most one."""
        message = self._in_hand
        return [] if message is None or message["type"] != "websocket.send" else [json.loads(message["text"])]

    @property
    def numbers(self) -> list[int]:
        """The `n` of every event that has one."""
        return [event["n"] for event in self.events if "n" in event]

    @property
    def close_code(self) -> int | None:
        """The code of the close; checks that nothing came after it."""
        closes = [index for index, message in enumerate(self.sent) if message["type"] == "websocket.close"]
        if not closes:
            return None
        assert closes == [len(self.sent) - 1], f"something was sent after the close: {self.sent}"
        code = self.sent[-1]["code"]
        assert isinstance(code, int)
        return code
