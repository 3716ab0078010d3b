"""A real WebSocket client that keeps what it hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SECONDS = 10.0


class Client:
    """One connection; every read is bounded in time, so that a missing message fails a test instead of hanging it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.welcome: dict[str, Any] = {}

    async def text(self) -> str:
        """The next message as it came."""
        async with asyncio.timeout(SECONDS):
            message = await self.connection.recv()
        assert isinstance(message, str)
        return message

    async def json(self) -> Any:
        """The next message, parsed."""
        return json.loads(await self.text())

    async def until(self, fence: object) -> list[str]:
        """Every message before the event whose member `fence` equals this one, as they came."""
        messages: list[str] = []
        while True:
            text = await self.text()
            if json.loads(text).get("fence") == fence:
                return messages
            messages.append(text)

    async def send(self, message: object) -> None:
        """Send text as it is, everything else as JSON."""
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def close_code(self) -> int:
        """Read on until the server has closed, and say with which code."""
        try:
            async with asyncio.timeout(SECONDS):
                while True:
                    await self.connection.recv()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection was cut without a close frame"
            return closed.rcvd.code


@asynccontextmanager
async def client(
    url: str, path: str, token: str | None = None, *, resume: str | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Connect without waiting for the welcome; the token goes into the query, as a browser page would do it."""
    parameter = "table_token" if path.endswith("diner") else "token"
    query = "" if token is None else f"?{parameter}={token}"
    if resume is not None:
        query += f"{'&' if query else '?'}resume={quote(resume)}"
    async with connect(f"{url}{path}{query}", compression=None, open_timeout=SECONDS, **options) as connection:
        yield Client(connection)


@asynccontextmanager
async def welcomed(url: str, path: str, token: str, **options: Any) -> AsyncIterator[Client]:
    """Connect and take the welcome: from here on, everything published is heard."""
    async with client(url, path, token, **options) as opened:
        opened.welcome = await opened.json()
        assert opened.welcome["type"] == "welcome"
        yield opened
