"""A WebSocket client that controls every byte and every segment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from websockets.frames import Close, Frame, Opcode

SECONDS = 10.0

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # for that key: RFC 6455 §1.3


def request(path: str, *headers: str) -> bytes:
    """An opening handshake, with headers of the test's behind it."""
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def text_frame(text: str) -> bytes:
    """One masked text message."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


def close_frame(code: int) -> bytes:
    """A masked close."""
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=True)


class RawWebSocket:
    """One connection. Every read is bounded in time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(SECONDS):
            await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        """The response's status and headers, names in lower case."""
        async with asyncio.timeout(SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        fields = (line.split(":", 1) for line in lines)
        return int(status.split()[1]), {name.lower(): value.strip() for name, value in fields}

    async def frame(self) -> Frame:
        """The next frame, unmasked as a server sends it."""
        async with asyncio.timeout(SECONDS):
            first, second = await self.reader.readexactly(2)
            assert not second & 0x80, "a server never masks (RFC 6455 §5.1)"
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
            return Frame(Opcode(first & 0x0F), await self.reader.readexactly(length), fin=bool(first & 0x80))

    async def text(self) -> str:
        frame = await self.frame()
        assert frame.opcode is Opcode.TEXT
        return bytes(frame.data).decode()

    async def close_code(self) -> int:
        frame = await self.frame()
        assert frame.opcode is Opcode.CLOSE, frame
        return Close.parse(bytes(frame.data)).code

    async def end(self) -> bytes:
        """Everything up to the end of the stream, which must come."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()


@asynccontextmanager
async def raw_websocket(port: int, *segments: bytes) -> AsyncIterator[RawWebSocket]:
    """Connect, and send these segments one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = RawWebSocket(reader, writer)
    try:
        for segment in segments:
            await peer.write(segment)
        yield peer
    finally:
        writer.transport.abort()
        # The descriptor is closed by the loop, and a test that asks the server next may not let it run.
        with suppress(ConnectionError):
            await writer.wait_closed()
