"""`gateway serve` as a process of its own, as an operator runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 30.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class ServeProcess:
    """A running gateway, and the file that its standard error goes to."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def log_text(self) -> str:
        return self.log.read_text("utf-8")


def environment(**settings: str) -> dict[str, str]:
    """This process' environment without the gateway's settings, and with these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | settings


@contextmanager
def serve(
    folder: Path,
    *arguments: str,
    ready: bool = True,
    port: int | None = None,
    program: Sequence[str | Path] = (sys.executable, "-m", "gateway"),
    **settings: str,
) -> Iterator[ServeProcess]:
    """Start it on a free port and wait until it serves (`ready`: until it is ready); kill it if it is still there.

    A port that is given is for a gateway that comes back where it was. `program` is what stands before `serve`. With
    another one than this environment's it runs in `folder`, where it finds nothing of the checkout.
    """
    port = free_port() if port is None else port
    log = folder / "gateway.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*program, "serve", "--port", str(port), *arguments],
            cwd=None if program[0] == sys.executable else folder,
            env=environment(**settings),
            stdout=stderr,
            stderr=stderr,
        )
        running = ServeProcess(process, port, log)
        try:
            _wait(running, "/ws/health/detailed" if ready else "/ws/health")
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait(running: ServeProcess, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            break
        try:
            if httpx.get(running.http + path, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise AssertionError(f"the gateway did not come up:\n{running.log_text()}")
