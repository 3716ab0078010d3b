"""An asyncio transport over one end of a socketpair, whose flow the test controls."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any


class FakeTransport(asyncio.Transport):
    """Writes into a list; calls its protocol back as asyncio's own does: `connection_lost` a turn of the loop later.

    Attributes:
        written: everything that was given to `write`.
        reading: whether the protocol wants data.
        stalled: while true, what is written stays in the buffer.
        ended: `close`, `abort` or `eof`, in the order in which they came.
    """

    def __init__(self, *, tls: bool = False) -> None:
        super().__init__()
        self.socket, self.peer = socket.socketpair()
        self.written: list[bytes] = []
        self.reading = True
        self.stalled = False
        self.ended: list[str] = []
        self._tls = tls
        self._buffered = 0
        self._protocol: Any = None
        self._closing = False

    # --- the server ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": self.socket, "sslcontext": self._tls or None}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0, "only then does resume_writing mean that the buffer is empty"

    def get_write_buffer_size(self) -> int:
        return self._buffered

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing:
            return
        self.written.append(bytes(data))
        if self.stalled:
            self._buffered += len(data)

    def write_eof(self) -> None:
        self.ended.append("eof")

    def close(self) -> None:
        self._end("close", None)

    def abort(self) -> None:
        self._end("abort", None)

    # --- the test ---

    @property
    def output(self) -> bytes:
        return b"".join(self.written)

    def flush(self) -> None:
        """The kernel takes what was buffered."""
        self.stalled, self._buffered = False, 0
        self._protocol.resume_writing()

    def lose(self) -> None:
        """The client resets the connection."""
        self._end("lost", ConnectionResetError())

    def dispose(self) -> None:
        self.socket.close()
        self.peer.close()

    def _end(self, how: str, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self.ended.append(how)
            asyncio.get_running_loop().call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self.socket.close()
        self._protocol.connection_lost(error)


def is_open(descriptor: int) -> bool:
    """Whether this process has such a descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
