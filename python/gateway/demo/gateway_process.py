"""The demo's gateway: `gateway serve` as a child process, with its log in a file."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gateway.demo.errors import DemoError
from gateway.demo.port import HOST

START_SECONDS = 30.0
"""How long the gateway may take until it answers `/ws/health`."""

STOP_SECONDS = 15.0
"""How long it may take to stop after SIGTERM: more than its drain, before it is killed."""

_LOG_LINES = 12

# The kernel signals the child when the thread that started it is gone, so that no gateway outlives a demo that was
# killed. A line of Python between us and the gateway asks for it: `preexec_fn` would run code between fork and exec in
# a process that has threads, which may deadlock. If the demo died before the request, its process id has changed.
_TIED = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class GatewayProcess:
    """A gateway on loopback. For one event loop; `stop` is to be called whatever happened.

    Args:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self.url = f"ws://{HOST}:{port}"
        self._port = port
        descriptor, name = tempfile.mkstemp(prefix="gateway-demo-", suffix=".log")
        os.close(descriptor)
        self.log = Path(name)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start it and wait until it answers.

        Args:
            environment: its settings; a Redis URL goes here and never on the command line, since it holds a password.

        Raises:
            DemoError: it ended, or did not answer in time; with the end of its log.
        """
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-c", _TIED, str(os.getpid())),
                *(sys.executable, "-m", "gateway", "serve", "--host", HOST, "--port", str(self._port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                # Ctrl-C in the terminal is for the demo, which stops the gateway when all deliveries are there.
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await asyncio.to_thread(self._answers):
                    self.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DemoError(
                f"the gateway did not answer on {self.url} within {START_SECONDS:g} s{self._end_of_log()}"
            ) from None
        # Whoever answered was ours only if ours is alive: a stranger may have taken the port meanwhile.
        self.check()

    def check(self) -> None:
        """Raise DemoError if the gateway has ended."""
        if self._process is not None and self._process.returncode is not None:
            raise DemoError(f"the gateway ended by itself with status {self._process.returncode}{self._end_of_log()}")

    async def wait(self) -> None:
        """Return never, or raise DemoError when the gateway ends by itself."""
        if self._process is not None:
            await self._process.wait()
        self.check()

    async def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL. Safe to call at any time, and more than once."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def forget_log(self) -> None:
        """Delete the log, when there is nothing in it to look for."""
        self.log.unlink(missing_ok=True)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=2)
        try:
            connection.request("GET", "/ws/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end_of_log(self) -> str:
        lines = self.log.read_text("utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        return "; its log ends with:\n" + "\n".join(lines) if lines else "; its log is empty"
