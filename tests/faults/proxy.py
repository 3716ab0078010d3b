"""A TCP proxy between a node and Redis, for everything that can be wrong with a link."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65_536
CHUNKS = 64
"""Pieces that wait in one direction of one connection: then the sender feels it, as on a real link."""

SUBSCRIBE = b"\r\nSUBSCRIBE\r\n"


class _Direction:
    """One of the two ways of one connection."""

    def __init__(self, proxy: Proxy, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._pair = pair
        self._reader = reader
        self._writer = writer
        self._waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._write())

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await self._reader.read(CHUNK)
            # Commands are upper case, and answers lower: it is the node that says this.
            self._pair.subscribed |= SUBSCRIBE in data
            lag = self._proxy.lag if self._pair.subscribed else 0.0
            await self._waiting.put((loop.time() + self._proxy.delay + lag, data))
            if not data:
                return

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._waiting.get()
            if (wait := due - loop.time()) > 0:
                await asyncio.sleep(wait)
            await self._proxy.flowing.wait()
            if self._pair.dead:
                continue  # nobody learns of it, not even of the end
            if not data:
                self._writer.write_eof()
                return
            self._writer.write(data)
            await self._writer.drain()


class _Pair:
    """A connection of the node, and the one to the server that belongs to it."""

    def __init__(self) -> None:
        self.dead = False
        self.subscribed = False
        self.task: asyncio.Task[None] | None = None


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes on what comes, unless it is told otherwise. For one event loop.

    Attributes:
        port: where it listens.
        target: the port on 127.0.0.1 that new connections lead to; may be changed, as after a failover.
        delay: seconds that every piece of data takes, in each direction.
        lag: seconds more where the node has subscribed to channels, as best-effort events come; not to sharded ones.
        flowing: cleared, data waits and connections stay.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay = 0.0
        self.lag = 0.0
        self.flowing = asyncio.Event()
        self.flowing.set()
        self._down = False
        self._pairs: set[_Pair] = set()

    @property
    def connections(self) -> int:
        """How many stand, the dead ones among them."""
        return len(self._pairs)

    def cut(self) -> None:
        """End every connection with a reset, and every new one, until `mend`."""
        self._down = True
        self.sever()

    def sever(self) -> None:
        """End every connection with a reset; new ones are served."""
        for pair in list(self._pairs):
            if pair.task is not None:
                pair.task.cancel()

    def stall(self) -> None:
        """Hold everything back until `mend`; nothing is lost by that, and no connection ends."""
        self.flowing.clear()

    def half_open(self) -> None:
        """Let the present connections be dead without a word, for ever; new ones are served."""
        for pair in self._pairs:
            pair.dead = True

    def mend(self) -> None:
        """Let everything pass again."""
        self._down = False
        self.delay = 0.0
        self.lag = 0.0
        self.flowing.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the node, until either side ends it."""
        if self._down:
            writer.transport.abort()
            return
        pair = _Pair()
        pair.task = asyncio.current_task()
        self._pairs.add(pair)
        upstream: asyncio.StreamWriter | None = None
        try:
            there, upstream = await asyncio.open_connection("127.0.0.1", self.target)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_Direction(self, pair, reader, upstream).run())
                tasks.create_task(_Direction(self, pair, there, writer).run())
        except* (OSError, RuntimeError):
            pass  # one of the two has ended; so does the other, below
        except* asyncio.CancelledError:
            pass  # `sever`
        finally:
            self._pairs.discard(pair)
            for side in (writer, upstream):
                if side is not None:
                    side.transport.abort()


@asynccontextmanager
async def proxy_to(target: int) -> AsyncIterator[Proxy]:
    """A proxy for the length of the block."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.sever()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while proxy.connections:
                    await asyncio.sleep(0.01)
