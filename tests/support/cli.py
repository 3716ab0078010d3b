"""`gateway …` as a process, as a user runs it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.support.serve import environment

SECONDS = 30.0


@dataclass(frozen=True)
class Command:
    """A running command."""

    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.process.pid

    async def line(self) -> str:
        """The next line of its standard output; empty at the end."""
        assert self.process.stdout is not None
        async with asyncio.timeout(SECONDS):
            return (await self.process.stdout.readline()).decode().removesuffix("\n")

    async def end(self) -> tuple[int, str, str]:
        """Wait for its end: exit status, the rest of standard output, standard error."""
        async with asyncio.timeout(SECONDS):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def command(*arguments: str, stdin: bytes | None = None, **settings: str) -> AsyncIterator[Command]:
    """Start `gateway` with arguments and these settings alone; it is killed if it is still there at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway",
        *arguments,
        env=environment(**settings),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
        yield Command(process)
    finally:
        if process.returncode is None:
            process.kill()
        # Closes the pipes too, so that nothing is left for the garbage collector to warn about.
        await process.communicate()


async def ended(*arguments: str, stdin: bytes | None = None, **settings: str) -> tuple[int, str, str]:
    """Run a command to its end."""
    async with command(*arguments, stdin=stdin, **settings) as running:
        return await running.end()
