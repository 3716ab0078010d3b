"""Gateways as `gateway serve` runs them, for as long as a measurement takes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from benches.load.errors import BenchError
from gateway.broker.server_process import free_port

READY_SECONDS = 60.0

_SETTINGS = {
    # What joins cost, and how they are spread out, is measured elsewhere.
    "GATEWAY_JOIN_RATE": "0",
    # The clients only listen.
    "GATEWAY_HEARTBEAT_INTERVAL": "3600",
    "GATEWAY_HEARTBEAT_TIMEOUT": "3600",
    "GATEWAY_DRAIN_SECONDS": "0",
}


class Node:
    """One gateway. Started; `stop` ends it."""

    def __init__(self, redis_url: str) -> None:
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", str(self.port), "--redis-url", redis_url],
            env={**environment, **_SETTINGS},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self) -> None:
        """Return when its readiness says so.

        Raises:
            BenchError: it has ended, or does not get ready.
        """
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError(f"a gateway ended with status {self._process.returncode}; run `gateway serve` by hand")
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/ws/health/detailed", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise BenchError(f"a gateway was not ready within {READY_SECONDS:g} s")

    def stop(self) -> None:
        """End it; it is killed if it does not go."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_nodes(count: int, redis_url: str) -> Iterator[list[Node]]:
    """So many, all of them ready."""
    nodes = [Node(redis_url) for _ in range(count)]
    try:
        for node in nodes:
            node.wait_ready()
        yield nodes
    finally:
        for node in nodes:
            node.stop()
