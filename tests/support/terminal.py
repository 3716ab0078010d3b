"""A shell that types what a document shows, one command after the other, as a reader would."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.support.documents import ROOT
from tests.support.serve import environment

SECONDS = 60.0
_LOOK_SECONDS = 0.05


def commands(code: str) -> list[str]:
    """The commands of a block: lines, joined where one ends with a backslash; comments and blank lines left out."""
    joined = code.replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Terminal:
    """One `bash`; variables live from one command to the next. Use `terminal` to have one that ends."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._folder = folder

    async def run(self, command: str) -> str:
        """Type a command and wait for its end; what it printed to standard output.

        Raises:
            AssertionError: it failed, with what it printed to either output.
        """
        mark = secrets.token_hex(8)
        errors = self._folder / f"errors-{mark}"
        output = await self._type(f"{{ {command}\n}} 2>{errors}; printf '\\n%s %d\\n' {mark} $?", mark)
        text, _, status = output.rpartition(f"\n{mark} ")
        assert int(status) == 0, f"{command}\n{text}\n{errors.read_text('utf-8')}"
        return text

    async def start(self, command: str) -> Path:
        """Type a command that runs on, as in a terminal of its own; the file that collects what it prints."""
        mark = secrets.token_hex(8)
        log = self._folder / f"shown-{mark}"
        await self._type(f"{{ {command}\n}} >{log} 2>&1 & printf '\\n%s 0\\n' {mark}", mark)
        return log

    async def _type(self, text: str, mark: str) -> str:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{text}\n".encode())
        await stdin.drain()
        output = ""
        async with asyncio.timeout(SECONDS):
            while f"\n{mark} " not in output or not output.endswith("\n"):
                line = await stdout.readline()
                assert line, f"the shell has ended at: {text}\n{output}"
                output += line.decode()
        return output


async def shows(log: Path, text: str, times: int = 1) -> None:
    """Wait until a running command has printed something, so many times.

    Raises:
        AssertionError: it never did.
    """
    try:
        async with asyncio.timeout(SECONDS):
            while not log.exists() or log.read_text("utf-8").count(text) < times:
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not shown {times} times: {text}\n{log.read_text('utf-8')}") from None


@asynccontextmanager
async def terminal(folder: Path, *, cwd: Path = ROOT, **variables: str) -> AsyncIterator[Terminal]:
    """A shell in the project's folder, with these variables, whose children end with it.

    The programs of this interpreter are on its PATH. An embedded server's note goes into `folder`, so that no other
    server is found, nor this one by others.
    """
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700, exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "--norc",
        cwd=cwd,
        env=environment(PATH=path, XDG_RUNTIME_DIR=str(runtime), **variables),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Terminal(process, folder)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.communicate()
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.communicate()
