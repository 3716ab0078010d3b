"""TLS in front of real servers: the Valkey of the wheel is built without it."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import trustme

from gateway.broker.server_process import free_port


class TestAuthority:
    """A certificate authority of the test's own, and a server's certificate for 127.0.0.1."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        self.file = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.file)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)


class TlsProxies:
    """Terminates TLS on ports of 127.0.0.1 and passes bytes on to other ports, in a thread of its own."""

    def __init__(self, authority: TestAuthority) -> None:
        self.authority = authority
        self.handshakes = 0
        self._renamed: dict[bytes, bytes] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, target: int, port: int = 0) -> int:
        """A proxy in front of a port; its own."""
        port = port or free_port()

        async def serve() -> None:
            async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                self.handshakes += 1
                task = asyncio.current_task()
                assert task is not None
                self._tasks.add(task)
                try:
                    there = await asyncio.open_connection("127.0.0.1", target)
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._pass_on(reader, there[1]))
                        tasks.create_task(self._pass_on(there[0], writer, rename=True))
                except* (OSError, asyncio.CancelledError):
                    pass
                finally:
                    self._tasks.discard(task)
                    writer.transport.abort()

            self._servers.append(await asyncio.start_server(accept, "127.0.0.1", port, ssl=self.authority.context))

        asyncio.run_coroutine_threadsafe(serve(), self._loop).result(20)
        return port

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, rename: bool = False
    ) -> None:
        try:
            while data := await reader.read(65_536):
                for old, new in self._renamed.items() if rename else ():
                    data = data.replace(old, new)
                writer.write(data)
                await writer.drain()
        finally:
            writer.transport.abort()

    def rename(self, old: int, new: int) -> None:
        """Replace one port by another in all that servers answer, so that who is told an address is told a proxy's."""
        assert len(str(old)) == len(str(new)), "or lengths that stand in the answers would be wrong"
        self._renamed[str(old).encode()] = str(new).encode()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def stop() -> None:
            for server in self._servers:
                server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@contextmanager
def run_tls_proxies() -> Iterator[TlsProxies]:
    """Proxies with an authority of their own, for the length of the block."""
    with (
        tempfile.TemporaryDirectory(prefix="tls-") as directory,
        TlsProxies(TestAuthority(Path(directory))) as proxies,
    ):
        yield proxies
