"""A network between a client and a gateway that tests stall and cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TcpRelay:
    """Passes bytes on, both ways, for every connection to its port. For one event loop."""

    def __init__(self, to: int) -> None:
        self._to = to
        self.port = 0
        self._open: set[asyncio.Task[None]] = set()
        self._stalled: set[asyncio.Event] = set()
        self._refuse = False

    def stall(self) -> None:
        """Let the connections that there are hang, without a word; later ones pass."""
        for passing in self._stalled:
            passing.clear()

    def refuse(self, refuse: bool) -> None:
        """Cut new connections at once, or let them pass again."""
        self._refuse = refuse

    def cut(self) -> None:
        """End the connections that there are."""
        for task in self._open:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuse:
            writer.transport.abort()
            return
        passing = asyncio.Event()
        passing.set()
        self._stalled.add(passing)
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        up: asyncio.StreamWriter | None = None
        try:
            up_reader, up = await asyncio.open_connection("127.0.0.1", self._to)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass(reader, up, passing))
                group.create_task(_pass(up_reader, writer, passing))
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            pass  # cut, or the gateway is not there
        finally:
            self._open.discard(task)
            self._stalled.discard(passing)
            for end in (writer, up):
                if end is not None:
                    end.transport.abort()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TcpRelay]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()
            while self._open:
                await asyncio.sleep(0)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: asyncio.Event) -> None:
    while data := await reader.read(65536):
        await passing.wait()
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
