"""The workers of one node ask each other for their metrics, so that a scrape of any of them shows all."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.errors import GatewayError
from gateway.telemetry.worker_series import encode_metrics, render_workers

ANSWER_SECONDS: Final = 2.0
"""How long a scrape waits for the other workers: one that hangs is to be seen as missing, and not to hide the rest."""

MAX_WORKERS: Final = 256
"""As many as `gateway serve` takes."""

_log = logging.getLogger("gateway.telemetry")


class WorkerMetrics:
    """One worker's place among those that share a directory. For one event loop.

    Each takes the lowest number that no living process holds, by a lock on a file, which the kernel lets go of with the
    process, however it ends; so a worker that is started in the place of a dead one goes on with its series. Beside the
    lock stands a Unix socket that gives the worker's metrics to whoever connects: only the directory's mode says who
    that may be.
    """

    def __init__(self, directory: Path, registry: CollectorRegistry) -> None:
        self._directory = directory
        self._registry = registry
        self._lock: int | None = None
        self._server: asyncio.Server | None = None
        self._number = -1

    @property
    def name(self) -> str:
        """This worker's label."""
        return str(self._number)

    async def start(self) -> None:
        """Take a place and listen.

        Raises:
            GatewayError: the directory cannot be used, or is one that others may enter.
        """
        try:
            if self._directory.stat().st_mode & 0o077 or self._directory.stat().st_uid != os.geteuid():
                raise GatewayError(
                    f"the directory of the workers, {self._directory}, is not this user's alone: give it mode 0700"
                )
            self._number, self._lock = self._take_number()
            path = self._socket(self._number)
            path.unlink(missing_ok=True)  # of a process that died
            self._server = await asyncio.start_unix_server(self._give, path)
        except OSError as error:
            raise GatewayError(
                f"the directory of the workers, {self._directory}, cannot be used: {error}; "
                "it must exist, be writable, and have a name of less than 90 bytes"
            ) from error

    async def stop(self) -> None:
        """Leave the place to others."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._socket(self._number).unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
        self._server = self._lock = None

    async def render(self) -> bytes:
        """The body of a scrape in Prometheus' text format: the series of all workers, each labelled with its own.

        A worker that does not answer in time has `gateway_worker_up` at 0, and no other series.
        """
        others = [number for number in range(MAX_WORKERS) if number != self._number and self._socket(number).exists()]
        answers = await asyncio.gather(*(self._ask(number) for number in others))
        found: dict[str, bytes | None] = dict(zip(map(str, others), answers, strict=True))
        # The last, so that what it says of itself is not older than what the others say.
        found[self.name] = encode_metrics(self._registry)
        return render_workers(dict(sorted(found.items(), key=lambda item: int(item[0]))))

    async def _give(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(encode_metrics(self._registry))
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _ask(self, number: int) -> bytes | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._socket(number))
                try:
                    return await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            _log.warning("worker %d does not give its metrics: %s", number, error or "it does not answer in time")
            return None

    def _take_number(self) -> tuple[int, int]:
        for number in range(MAX_WORKERS):
            lock = os.open(self._directory / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                continue
            return number, lock
        raise GatewayError(f"{MAX_WORKERS} workers share {self._directory} already")

    def _socket(self, number: int) -> Path:
        return self._directory / f"{number}.sock"
