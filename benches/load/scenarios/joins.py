"""Joins per server CPU-second: TCP, HTTP upgrade, a real JWT, membership, welcome."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benches.load.client import LoadClient
from benches.load.contenders import Bench, Server
from benches.load.measurement import Measurement
from benches.load.scenarios.throughput import rotated
from benches.load.tokens import staff_targets

UNIT = "joins/CPU-s"

_PATHS = {"gateway": "/ws/waiter", "gateway-cached": "/ws/waiter", "fastapi": "/ws"}

_SETTLE_SECONDS = 10.0


def measure(bench: Bench, clients: int) -> list[Measurement]:
    """Each round opens `clients` connections and drops them. `gateway-cached` brings tokens that were seen before."""
    names = tuple(_PATHS)
    values: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as stack:
        gateway = stack.enter_context(bench.server("gateway"))
        fastapi = stack.enter_context(bench.server("fastapi"))
        servers = {"gateway": gateway, "gateway-cached": gateway, "fastapi": fastapi}
        seen = staff_targets(_PATHS["gateway-cached"], clients)
        for name in names:  # once unmeasured; the cached tokens become known
            _join(bench, servers[name], seen if name == "gateway-cached" else staff_targets(_PATHS[name], clients))
        for turn in range(bench.rounds):
            for name in rotated(names, turn):
                targets = seen if name == "gateway-cached" else staff_targets(_PATHS[name], clients)
                values[name].append(clients / _join(bench, servers[name], targets))
                bench.step(f"joins, round {turn + 1}, {name}: {values[name][-1]:,.0f} {UNIT}")
    return [Measurement("joins", clients, name, UNIT, tuple(values[name])) for name in names]


def steps(bench: Bench) -> int:
    """How many steps `measure` tells."""
    return len(_PATHS) * bench.rounds


def _join(bench: Bench, server: Server, targets: list[str]) -> float:
    before = server.cpu_seconds()
    with LoadClient(bench.binaries, server.port, targets, len(targets), size=bench.size) as client:
        client.joined()
        used = server.cpu_seconds() - before
        client.finish()
    _settle(server)
    return used


def _settle(server: Server) -> None:
    """Wait until the server has forgotten the connections, so that the next round pays for its own work alone."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    before = server.cpu_seconds()
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = server.cpu_seconds()
        if now - before < 0.002:
            return
        before = now
