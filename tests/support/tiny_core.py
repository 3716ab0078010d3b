"""The least that can own a detached socket: it echoes, and says goodbye."""

from __future__ import annotations

import asyncio
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from gateway.fanout.base import DetachedSocket

LINGER_SECONDS = 2.0


class _Connection:
    """One socket; `websockets` knows the protocol, without I/O."""

    def __init__(self, detached: DetachedSocket) -> None:
        self.socket = socket.socket(fileno=detached.fd)
        self.protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=None)
        self.output = bytearray()
        self.deadline: float | None = None
        self.hear(detached.early)

    def hear(self, data: bytes) -> None:
        if data:
            self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.protocol.send_text(bytes(event.data))
        self.take_output()

    def close(self, code: int) -> None:
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(code)
            self.take_output()
        self.deadline = time.monotonic() + LINGER_SECONDS

    def take_output(self) -> None:
        for data in self.protocol.data_to_send():
            self.output += data


class TinyCore:
    """Owns detached sockets on a thread of its own; all methods are the event loop's.

    Attributes:
        count: connections that are not gone yet.
    """

    def __init__(self, on_empty: Callable[[], None]) -> None:
        self.count = 0
        self._on_empty = on_empty
        self._loop = asyncio.get_running_loop()
        self._commands: deque[Callable[[], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._connections: set[_Connection] = set()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="tiny-core", daemon=True)
        self._thread.start()

    def adopt(self, detached: DetachedSocket) -> None:
        """Own a socket from now on."""
        self.count += 1
        self._tell(lambda: self._enter(_Connection(detached)))

    def close_all(self, code: int) -> None:
        """Close everybody, for at most `LINGER_SECONDS`."""
        self._tell(lambda: self._close(code))
        if not self.count:
            self._on_empty()

    def stop(self) -> None:
        """Close what is left, without goodbye."""

        def stop() -> None:
            self._running = False

        self._tell(stop)
        self._thread.join()
        for connection in self._connections:
            connection.socket.close()
        for end in (self._selector, self._waker, self._woken):
            end.close()

    def _tell(self, command: Callable[[], None]) -> None:
        self._commands.append(command)
        self._waker.send(b"!")

    # --- the thread ---

    def _run(self) -> None:
        while self._running:
            for key, events in self._selector.select(0.1 if any(one.deadline for one in self._connections) else None):
                connection = key.data
                if connection is None:
                    self._woken.recv(4096)
                    while self._commands:
                        self._commands.popleft()()
                elif connection in self._connections:
                    self._serve(connection, events)
            now = time.monotonic()
            for connection in [one for one in self._connections if one.deadline is not None and one.deadline < now]:
                self._drop(connection)

    def _enter(self, connection: _Connection) -> None:
        self._connections.add(connection)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._write(connection)

    def _close(self, code: int) -> None:
        for connection in list(self._connections):
            connection.close(code)
            self._write(connection)

    def _serve(self, connection: _Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data = connection.socket.recv(65536)
                if not data:
                    self._drop(connection)
                    return
                connection.hear(data)
        except OSError:
            self._drop(connection)
            return
        self._write(connection)

    def _write(self, connection: _Connection) -> None:
        try:
            if connection.output:
                sent = connection.socket.send(connection.output)
                del connection.output[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if connection.protocol.close_rcvd is not None and not connection.output:
            self._drop(connection)  # the client closed and has its answer, or has answered
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.output else 0)
        self._selector.modify(connection.socket, events, connection)

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        self._loop.call_soon_threadsafe(self._gone)

    def _gone(self) -> None:
        self.count -= 1
        if not self.count:
            self._on_empty()
