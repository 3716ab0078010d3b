"""One gateway as a process of its own, which may be killed, paused and started again on the same port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from tests.faults.counters import Counters, read_counters
from tests.support.serve import environment, free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40.0
GATEWAY = ("gateway", "serve")
TIED = "tests.faults.tied"
"""Runs a module so that it ends with the tests."""


class Node:
    """`gateway serve`, or a module that does the same with one class exchanged.

    Args:
        name: in logs and budgets.
        folder: the node's own; its log is kept there.
        redis_url: where its Redis is, as the node sees it.
        settings: `GATEWAY_…` variables.
        module: what is run with `python -m`, and its first arguments.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        redis_url: str,
        settings: Mapping[str, str],
        module: Sequence[str] = GATEWAY,
    ) -> None:
        self.name = name
        self.folder = folder
        self.port = free_port()
        self._settings = {"GATEWAY_REDIS_URL": redis_url, **settings}
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._before = Counters()  # of lives that ended
        self._now = Counters()

    @property
    def alive(self) -> bool:
        """Whether its process is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    @property
    def ws(self) -> str:
        """Where clients dial."""
        return f"ws://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start the process, from the main thread, which it will not outlive; `ready` waits for it."""
        assert not self.alive, "it is running already"
        self.folder.mkdir(exist_ok=True)
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", TIED, str(os.getpid()), *self._module, "--port", str(self.port)],
                cwd=ROOT,
                env=environment(FAULTS_FOLDER=str(self.folder), **self._settings),
                stdout=output,
                stderr=output,
            )

    async def ready(self) -> None:
        """Return when it takes connections, with Redis there."""
        await self._answers("/ws/health/detailed")

    async def serves(self) -> None:
        """Return when its process serves, whether or not Redis is there."""
        await self._answers("/ws/health")

    async def _answers(self, path: str) -> None:
        async with httpx.AsyncClient(timeout=5) as client, asyncio.timeout(START_SECONDS):
            while True:
                assert self.alive, f"the node ended:\n{self._log.read_text('utf-8')}"
                try:
                    answer = await client.get(f"http://127.0.0.1:{self.port}{path}")
                    if answer.status_code == httpx.codes.OK:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.05)

    async def is_relay(self) -> bool:
        """Whether it is the active relay, as far as it knows."""
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(f"http://127.0.0.1:{self.port}/ws/health/detailed")
            return bool(answer.json()["critical"]["active_relay"])

    async def counters(self) -> Counters:
        """What it has counted in all its lives. What it counted between the last look and a kill nobody knows."""
        if self.alive:
            async with httpx.AsyncClient(timeout=10) as client:
                answer = await client.get(f"http://127.0.0.1:{self.port}/ws/metrics")
                self._now = read_counters(answer.text)
        return self._before + self._now

    async def kill(self) -> None:
        """End it as a crash does; `launch` may follow."""
        assert self._process is not None
        self._process.kill()
        await self.buried()

    async def buried(self) -> None:
        """Return when it has ended, however it came to that; `launch` may follow."""
        assert self._process is not None
        await asyncio.to_thread(self._process.wait, 10)
        self._before, self._now = self._before + self._now, Counters()

    def pause(self) -> None:
        """Let it hang: its connections stay open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it continue."""
        self._signal(signal.SIGCONT)

    def errors(self) -> list[str]:
        """What it logged as a fault of its own: tracebacks, and lines of level error and above."""
        found = []
        for line in self._log.read_text("utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                found.append(line)  # not of the gateway's log: something died badly
                continue
            if entry.get("level") in ("error", "critical") or "exception" in entry:
                found.append(line)
        return found

    @property
    def _log(self) -> Path:
        return self.folder / "gateway.log"

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)
