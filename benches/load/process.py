"""A child process that is told lines and answers in JSON lines: every server and client of the bench."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benches.load.binaries import ROOT
from benches.load.cores import on_core
from benches.load.errors import BenchError

Answer = dict[str, Any]
"""One JSON line; `event` says what it is."""

_STOP_SECONDS = 10.0
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Memory:
    """A process' memory in bytes, from `/proc/<pid>/smaps_rollup`: resident, and its proportional share of it."""

    rss: int
    pss: int


def cpu_seconds_of(pid: int) -> float:
    """User and system time of all of a process' threads, those that have ended included.

    The numbers behind `/proc/<pid>/stat`, which gives them in hundredths of a second, to the nanosecond:
    clock_getcpuclockid(3) is this arithmetic (Linux, include/linux/posix-timers.h).
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


class JsonProcess:
    """Not thread-safe. As a context manager it ends the process, and only that one, on the way out."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, on a core or wherever the system likes; `environment` is added to our own."""
        self.name = name
        self._pending = b""
        # A file and not a pipe: nobody reads it while the process runs, and a full pipe would stop it.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        try:
            with on_core(core) if core is not None else nullcontext():
                self._process = subprocess.Popen(
                    [str(word) for word in command],
                    cwd=ROOT,
                    env={**os.environ, **(environment or {})},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                )
        except OSError as error:
            self._errors.close()
            raise BenchError(f"{name} cannot be started: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def say(self, line: str) -> None:
        """Tell it a line.

        Raises:
            BenchError: it is gone.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError(f"{self.name} is gone before {line!r}: {self.last_words()}") from None

    def answer(self, event: str, timeout: float) -> Answer:
        """The next line, which must be of this kind, within `timeout` seconds.

        Raises:
            BenchError: another kind, no line in time, or the end of the process.
        """
        line = self._line(event, time.monotonic() + timeout)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = line
        if not isinstance(answer, dict) or answer.get("event") != event:
            raise BenchError(f"{self.name} said {answer}; expected {event!r}")
        return answer

    def ask(self, line: str, event: str, timeout: float) -> Answer:
        """`say`, then `answer`."""
        self.say(line)
        return self.answer(event, timeout)

    def _line(self, event: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._pending:
            readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise BenchError(f"{self.name} did not say {event!r} in time: {self.last_words()}")
            piece = os.read(descriptor, 65_536)
            if not piece:
                raise BenchError(f"{self.name} ended before {event!r}: {self.last_words()}")
            self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def cpu_seconds(self) -> float:
        """See `cpu_seconds_of`."""
        return cpu_seconds_of(self.pid)

    def memory(self) -> Memory:
        """What it occupies now."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text("ascii")
        kibibytes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        return Memory(kibibytes["Rss"] * 1024, kibibytes["Pss"] * 1024)

    def last_words(self) -> str:
        """The end of its standard error."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 2_000))
        return self._errors.read().decode(errors="replace").strip() or "it wrote nothing to standard error"

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self.stop()

    def stop(self) -> int:
        """End of its standard input, which means quit; whoever does not go in time is killed. Its exit status."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()
        return status
