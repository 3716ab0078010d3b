"""A real Valkey for tests, which they may stop, kill, pause and start again on the same port."""

from __future__ import annotations

import secrets
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis import Redis

from gateway.broker.server_process import ServerProcess, free_port
from gateway.errors import EmbeddedServerError

START_SECONDS = 20.0


class ValkeyServer:
    """A server on a free port of 127.0.0.1 and on a Unix socket, with a password; empty after each start.

    It dies with the thread that started it (`ServerProcess`), so a killed test run leaves nothing behind.
    """

    def __init__(self, directory: Path, config: dict[str, str] | None = None, *, password: str = "") -> None:
        self.port = free_port()
        self.password = password or secrets.token_urlsafe(16)
        self.socket = directory / "valkey.sock"
        self._directory = directory
        self.config = {"unixsocket": str(self.socket), **(config or {})}
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """By TCP."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """By the Unix socket."""
        return f"unix://:{self.password}@{self.socket}?db=0"

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A plain client that blocks, whose answers are text."""
        client = Redis(port=self.port, password=self.password, decode_responses=True, socket_timeout=START_SECONDS)
        try:
            yield client
        finally:
            client.close()

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Start it, on the same port and with the same password each time; returns when it answers."""
        assert self._process is None, "it is running already"
        with suppress(FileNotFoundError):
            self.socket.unlink()
        process = ServerProcess(self.port, self.password, self._directory, self.config)
        try:
            process.wait_ready(START_SECONDS)
        except EmbeddedServerError:
            process.stop(0)
            raise
        self._process = process

    def stop(self) -> None:
        """End it in good order."""
        process, self._process = self._process, None
        if process is not None:
            process.signal(signal.SIGCONT)  # a paused process would not see the request
            process.stop(5.0)

    def kill(self) -> None:
        """End it as a crash does; `start` may follow."""
        process, self._process = self._running(), None
        process.signal(signal.SIGKILL)
        process.stop(5.0)

    def pause(self) -> None:
        """Let it hang: connections stay open, nothing is answered."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._running().signal(signal.SIGCONT)

    def _running(self) -> ServerProcess:
        assert self._process is not None, "it is not running"
        return self._process


@contextmanager
def run_valkey(config: dict[str, str] | None = None) -> Iterator[ValkeyServer]:
    """A server for the length of the block; `config` holds further lines of valkey.conf."""
    # Not pytest's tmp_path: a Unix socket's path may have 107 bytes at most (sun_path of unix(7)).
    with tempfile.TemporaryDirectory(prefix="valkey-") as directory:
        server = ValkeyServer(Path(directory), config)
        server.start()
        try:
            yield server
        finally:
            server.stop()
