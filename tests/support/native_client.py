"""A client at the other end of a socket pair, whose near end a reactor owns."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

from gateway.errors import ConnectionGoneError
from gateway.fanout.base import DetachedSocket

_OPCODES = {"text": 0x1, "binary": 0x2, "close": 0x8, "ping": 0x9, "pong": 0xA}


class NativeClient:
    """Offers what `FakeSocket` does, so that one list of tests runs on both; and it is a `DetachableSocket`.

    It reads its end only when it is looked at, and not at all while it is stalled. Stalling fills the way to it, as a
    client that does not read finds it after a while; the junk is taken out again before anything is decoded.
    """

    def __init__(self, early: bytes = b"") -> None:
        self._end, self._server = socket.socketpair()
        self._end.setblocking(False)
        self._server.setblocking(False)
        self._early = early
        self._detached = False
        self._stalled = False
        self._junk = 0
        self._unread = b""
        self._outgoing = bytearray()
        self._messages: list[dict[str, Any]] = []
        self._hung_up = False
        self.ended = False  # the server has let go

    # --- `DetachableSocket` ---

    def detach(self) -> DetachedSocket:
        if self._detached:
            raise ConnectionGoneError("the socket was given away already")
        self._detached = True
        return DetachedSocket(os.dup(self._server.fileno()), self._early)

    # --- the client ---

    def say(self, text: str) -> None:
        self.say_frame("text", text.encode())

    def say_bytes(self, data: bytes) -> None:
        self.say_frame("binary", data)

    def hang_up(self, code: int | None = 1000) -> None:
        self._hung_up = True
        self.say_frame("close", b"" if code is None else struct.pack(">H", code))

    def say_frame(self, kind: str, payload: bytes) -> None:
        """Send one masked frame, unless the server has hung up."""
        header = bytes([0x80 | _OPCODES[kind]])
        if len(payload) < 126:
            header += bytes([0x80 | len(payload)])
        elif len(payload) < 1 << 16:
            header += struct.pack(">BH", 0xFE, len(payload))
        else:
            header += struct.pack(">BQ", 0xFF, len(payload))
        self.say_raw(header + b"\0\0\0\0" + payload)  # a mask of zeros is a mask

    def say_raw(self, data: bytes) -> None:
        """Send bytes as they are, now or, when the pair is full, as soon as the reactor has read."""
        self._outgoing += data
        self._write()

    def _write(self) -> bool:
        try:
            sent = self._end.send(self._outgoing) if self._outgoing else 0
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            sent = len(self._outgoing)  # the server has hung up: that is what the test is about
        del self._outgoing[:sent]
        return sent > 0

    def stall(self) -> None:
        """From now on the reactor's sends find no room."""
        self._stalled = True
        for size in (1 << 15, 1 << 10, 1):
            try:
                while True:
                    self._junk += self._server.send(bytes(size))
            except (BlockingIOError, BrokenPipeError):
                pass

    def resume(self) -> None:
        self._stalled = False
        self.pump()

    def break_off(self, error: Exception) -> None:
        """Go without a word; `error` is what a server would raise."""
        self.close()

    def close(self) -> None:
        """Let go of both ends."""
        self._end.close()
        self._server.close()

    def pump(self) -> bool:
        """Write what is left to be said, and read what is there, unless stalled; whether there was anything."""
        if self._end.fileno() < 0:
            return False
        moved = self._write()
        if self._stalled:
            return moved
        while True:
            try:
                data = self._end.recv(1 << 16)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            if not data:
                moved |= not self.ended
                self.ended = True
                break
            moved = True
            junk = min(self._junk, len(data))
            self._junk -= junk
            self._unread += data[junk:]
        while (frame := self._next_frame()) is not None:
            self._messages.append(frame)
        return moved

    def _next_frame(self) -> dict[str, Any] | None:
        if len(self._unread) < 2:
            return None
        first, length = self._unread[0], self._unread[1]
        assert not length & 0x80, "a server's frame is not masked"
        start = 2
        if length == 126:
            start, length = 4, int.from_bytes(self._unread[2:4], "big")
        elif length == 127:
            start, length = 10, int.from_bytes(self._unread[2:10], "big")
        if len(self._unread) < start + length:
            return None
        payload, self._unread = self._unread[start : start + length], self._unread[start + length :]
        match first:
            case 0x81:
                return {"type": "websocket.send", "text": payload.decode()}
            case 0x82:
                return {"type": "websocket.send", "bytes": payload}
            case 0x88:
                code = int.from_bytes(payload[:2], "big") if payload else 1005
                return {"type": "websocket.close", "code": code, "reason": payload[2:].decode()}
            case 0x8A:
                return {"type": "pong", "payload": payload}
        raise AssertionError(f"a server sends no frame that begins with {first:#x}")

    # --- what the test looks at ---

    @property
    def sent(self) -> list[dict[str, Any]]:
        """What the server sent; the answer to the client's own close is not worth a mention."""
        self.pump()
        if self._hung_up and self._messages and self._messages[-1]["type"] == "websocket.close":
            return self._messages[:-1]
        return self._messages

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def events(self) -> list[Any]:
        return [json.loads(text) for text in self.texts]

    @property
    def held(self) -> list[Any]:
        return []

    @property
    def numbers(self) -> list[int]:
        return [event["n"] for event in self.events if "n" in event]

    @property
    def close_code(self) -> int | None:
        closes = [index for index, message in enumerate(self.sent) if message["type"] == "websocket.close"]
        if not closes:
            return None
        assert closes == [len(self.sent) - 1], f"something was sent after the close: {self.sent}"
        code = self.sent[-1]["code"]
        assert isinstance(code, int)
        return code
