"""What a client says before anybody listens: kept, bounded, and passed on in order."""

from __future__ import annotations

import asyncio

MAX_EARLY_BYTES = 64 * 1024
"""Above it the client is not read: the rest waits in the kernel, which has bounds of its own."""


class EarlyBytes:
    """Collects raw bytes until somebody takes them. Event loop only.

    RFC 6455 §4.1 forbids a client to send before it has the 101. Some do, and a frame lost here could not be noticed
    by anyone later.
    """

    def __init__(self, transport: asyncio.Transport, tail: bytes = b"") -> None:
        """`tail`: what came in one segment with the request, see `http_protocol.tail_of_head`."""
        self._transport = transport
        self._bytes = bytearray()
        self._paused = False
        self.add(tail)

    def add(self, data: bytes) -> None:
        """Keep what the transport has read."""
        self._bytes += data
        if len(self._bytes) > MAX_EARLY_BYTES:
            self.hold()

    def hold(self) -> None:
        """Stop reading: from here on bytes stay in the kernel, for whoever reads the socket next."""
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def take(self) -> bytes:
        """Give everything kept, once."""
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken

    def resume(self) -> None:
        """Let the transport read again; for an owner that goes on using it."""
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
