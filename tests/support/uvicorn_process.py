"""uvicorn as a process of its own, in this environment's version or in the oldest that the project allows."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.serve import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
INSTALL_SECONDS = 120.0

_PIP_INSTALL = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
_HANDOFF = ("--ws", "gateway.server.handoff:HandoffProtocol", "--no-access-log")


def oldest_version() -> str:
    """The lower bound of `pyproject.toml`, as a version: `uvicorn>=0.36` gives `0.36.0`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    bound = next(line for line in project["project"]["dependencies"] if line.startswith("uvicorn>="))
    version = bound.removeprefix("uvicorn>=").strip()
    return version if version.count(".") == 2 else f"{version}.0"


def oldest_uvicorn() -> Path:
    """A folder with the oldest uvicorn alone; in front on the path, it takes the place of the environment's.

    Installed once, with pip's ordinary index; everything that it depends on is the environment's.
    """
    version = oldest_version()
    folder = ROOT / ".venvs" / f"uvicorn-{version}"
    if folder.exists():
        return folder
    folder.parent.mkdir(exist_ok=True)
    # Made beside it and renamed: a run that is broken off, or another at the same time, leaves nothing half done.
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        target = Path(made) / "site"
        install = subprocess.run(
            [sys.executable, *_PIP_INSTALL, "--target", str(target), f"uvicorn=={version}"],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        assert install.returncode == 0, (
            f"uvicorn {version}, the oldest that pyproject.toml allows, could not be installed; these tests need an "
            f"index, or the folder {folder}:\n{install.stderr}"
        )
        if not folder.exists():
            target.rename(folder)
    return folder


@dataclass(frozen=True)
class UvicornProcess:
    """A running server. Every request is bounded in time."""

    process: subprocess.Popen[bytes]
    port: int
    uds: str | None
    log: Path

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def log_text(self) -> str:
        return self.log.read_text("utf-8")

    def get(self, path: str = "/") -> Any:
        transport = httpx.HTTPTransport(uds=self.uds) if self.uds else None
        with httpx.Client(transport=transport, timeout=5, verify=False) as client:
            for scheme in ("http", "https"):
                try:
                    return client.get(f"{scheme}://127.0.0.1:{self.port}{path}").json()
                except (httpx.RemoteProtocolError, httpx.ReadError):
                    if scheme == "https":
                        raise
        raise AssertionError

    def open(self, gate: str) -> None:
        """Let an endpoint go on."""
        self.get(f"/gates/{gate}")

    def until(self, **expected: Any) -> dict[str, Any]:
        """Ask until the server's state is so; a state that never comes fails the test and says what came."""
        deadline = time.monotonic() + 10
        while True:
            state: dict[str, Any] = self.get()
            if all(state[name] == value for name, value in expected.items()):
                return state
            assert time.monotonic() < deadline, f"expected {expected}, but the server says {state}"
            time.sleep(0.02)

    def until_seen(self, text: str) -> list[str]:
        """Ask until an endpoint has noted this."""
        deadline = time.monotonic() + 10
        while True:
            seen: list[str] = self.get()["seen"]
            if any(text in note for note in seen):
                return seen
            assert time.monotonic() < deadline, f"{text!r} was not noted: {seen}\n{self.log_text()}"
            time.sleep(0.02)

    def terminate(self, seconds: float) -> float:
        """Send SIGTERM; how many seconds the process took to end, which must be at most these."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)
        return time.monotonic() - begun


@contextmanager
def uvicorn_process(
    folder: Path,
    *arguments: str,
    app: str = "tests.support.handoff_app:app",
    site: Path | None = None,
    uds: str | None = None,
) -> Iterator[UvicornProcess]:
    """Run the command `uvicorn` with the hand-off as its WebSocket class; kill it if it is still there at the end."""
    port = free_port()
    path = [str(site)] if site else []
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*path, str(ROOT / "python"), str(ROOT)])}
    where = ["--uds", uds] if uds else ["--port", str(port)]
    log = folder / "uvicorn.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", app, *_HANDOFF, *where, *arguments],
            env=environment,
            stdout=output,
            stderr=output,
        )
        running = UvicornProcess(process, port, uds, log)
        try:
            _wait(running)
            yield running
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _wait(running: UvicornProcess) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and running.process.poll() is None:
        if _listens(running):
            running.get()
            return
        time.sleep(0.05)
    raise AssertionError(f"uvicorn did not come up:\n{running.log_text()}")


def _listens(running: UvicornProcess) -> bool:
    with socket.socket(socket.AF_UNIX if running.uds else socket.AF_INET) as probe:
        try:
            probe.connect(running.uds or ("127.0.0.1", running.port))
        except OSError:
            return False
    return True
