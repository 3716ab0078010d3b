"""A real Valkey server of our own, for a first run and for tests: a child process that cannot outlive us."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

from gateway.broker import runtime_file
from gateway.broker.server_process import ServerProcess, free_port
from gateway.errors import EmbeddedServerError
from gateway.resilience.jitter import DecorrelatedJitter

START_ATTEMPTS = 3
"""A port that was free may be taken before the server binds it; three times in a row is no accident."""

_log = logging.getLogger("gateway.broker")


class EmbeddedServer:
    """Starts Valkey on a free port of 127.0.0.1 with a random password and no persistence, and keeps it running.

    One thread of our own starts the process, waits for its end, and starts it again on the same port with the same
    password. It must be one thread that lives as long as the server: the kernel kills the server when the thread that
    started it ends (`server_process`), which is just what is wanted when this process dies, however it dies.

    `start` and `stop` are for an event loop; `start_sync`, `stop_sync` and `running` for a parent process that has
    none. All may be called from any thread, by one caller.

    Args:
        timeout: seconds that the server has to answer after its start.
        jitter: the waits before it is started again.
    """

    def __init__(self, *, timeout: float = 10.0, jitter: DecorrelatedJitter | None = None) -> None:
        self._timeout = timeout
        self._jitter = jitter or DecorrelatedJitter(base=0.1, cap=5.0)
        self._password = secrets.token_urlsafe(32)
        # Guards `_process` against `_stopping`: a stop must find the process that is about to be started, or keep it
        # from being started. Never held while waiting.
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: ServerProcess | None = None
        self._thread: threading.Thread | None = None
        self._url = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[str]:
        """A server for the length of the block, which gets its URL."""
        server = cls()
        try:
            yield server.start_sync()
        finally:
            server.stop_sync()

    @property
    def url(self) -> str:
        """The URL, with the password: never log it.

        Raises:
            EmbeddedServerError: it is not running.
        """
        if not self._url:
            raise EmbeddedServerError("the embedded server has not been started")
        return self._url

    @property
    def pid(self) -> int:
        """The process id of the server; another one after it was started again.

        Raises:
            EmbeddedServerError: it is not running.
        """
        if (process := self._process) is None:
            raise EmbeddedServerError("the embedded server is not running")
        return process.pid

    async def start(self) -> str:
        """Start it and give its URL once it answers; a cancelled start leaves nothing behind.

        Raises:
            EmbeddedServerError: it cannot be started; the message says what to do instead.
        """
        try:
            return await asyncio.wrap_future(self._launch())
        except asyncio.CancelledError:
            self._ask_to_stop()
            raise

    async def stop(self, timeout: float = 5.0) -> None:
        """See `stop_sync`."""
        await asyncio.to_thread(self.stop_sync, timeout)

    def start_sync(self) -> str:
        """See `start`; blocks."""
        return self._launch().result()

    def stop_sync(self, timeout: float = 5.0) -> None:
        """Ask the server to end, after `timeout` seconds make it; blocks. One that is not running is no error."""
        self._ask_to_stop()
        with self._lock:
            process = self._process
        if process is not None:
            process.stop(timeout)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._url = ""

    # --- the thread ---------------------------------------------------------------------------------------------

    def _launch(self) -> Future[str]:
        if self._thread is not None:
            raise EmbeddedServerError("the embedded server has been started already")
        self._stopping.clear()
        ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="embedded-valkey", daemon=True)
        self._thread.start()
        return ready

    def _run(self, ready: Future[str]) -> None:
        try:
            process, note = self._first_start()
        except BaseException as error:  # noqa: BLE001 - it is raised where the caller waits
            self._thread = None
            _settle(ready, error)
            return
        self._url = _url(self._password, process.port)
        _log.info("the embedded server is running", extra={"port": process.port, "server_pid": process.pid})
        _settle(ready, self._url)
        while True:
            status = process.wait()
            runtime_file.remove(note)
            if self._stopping.is_set():
                break
            _log.error("the embedded server ended by itself: %s", process.last_words(), extra={"status": status})
            process.stop(0)
            if (again := self._start_again(process.port)) is None:
                break
            process, note = again
        self._process = None

    def _first_start(self) -> tuple[ServerProcess, Path]:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                return self._start(free_port())
            except EmbeddedServerError as error:
                if attempt == START_ATTEMPTS or self._stopping.is_set():
                    raise
                _log.warning("another attempt to start the embedded server: %s", error, extra={"attempt": attempt})
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _start_again(self, port: int) -> tuple[ServerProcess, Path] | None:
        """Keep trying, on the same port, since everybody knows that one; None when a stop is asked for."""
        while not self._stopping.wait(self._jitter.next()):
            try:
                started = self._start(port)
            except EmbeddedServerError as error:
                _log.error("the embedded server cannot be started again yet: %s", error, extra={"port": port})
            else:
                self._jitter.reset()
                _log.warning("the embedded server is running again, empty", extra={"server_pid": started[0].pid})
                return started
        return None

    def _start(self, port: int) -> tuple[ServerProcess, Path]:
        directory = runtime_file.runtime_directory()
        with self._lock:
            if self._stopping.is_set():
                raise EmbeddedServerError("the embedded server was stopped while it started")
            process = self._process = ServerProcess(port, self._password, directory)
        try:
            process.wait_ready(self._timeout)
            return process, runtime_file.write(_url(self._password, port), process.pid)
        except BaseException:
            process.stop(0)
            self._process = None
            raise

    def _ask_to_stop(self) -> None:
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is not None:
            process.signal(signal.SIGTERM)


def _url(password: str, port: int) -> str:
    return f"redis://:{password}@127.0.0.1:{port}/0"


def _settle(ready: Future[str], outcome: str | BaseException) -> None:
    if not ready.set_running_or_notify_cancel():
        return  # the caller was cancelled and has asked for a stop
    if isinstance(outcome, str):
        ready.set_result(outcome)
    else:
        ready.set_exception(outcome)
