"""Process memory of one more idle connection."""

from __future__ import annotations

import time

from benches.load.client import LoadClient
from benches.load.contenders import Bench
from benches.load.measurement import Measurement
from benches.load.tokens import staff_targets

UNIT = "B/connection"

WARM_SHARE = 0.4
"""Of the measured connections come first, unmeasured: what a process needs once must not be divided among them."""

_SETTLE_SECONDS = 1.0

_ROUNDS = 3
"""Memory hardly varies, and a round takes a new process."""


def measure(bench: Bench, clients: int) -> list[Measurement]:
    """Growth of the proportional set size from some connections to `clients` more, in a new process each round.

    `gateway-bare` has connections without identity keys and label, as the core alone holds them.
    """
    names = ("gateway-bare", "gateway", "fastapi")
    values: dict[str, list[float]] = {name: [] for name in names}
    rounds = min(bench.rounds, _ROUNDS)
    for turn in range(rounds):
        for name in names:
            values[name].append(_marginal(bench, name, clients))
            bench.step(f"memory, round {turn + 1}, {name}: {values[name][-1]:,.0f} {UNIT}")
    return [Measurement("memory", clients, name, UNIT, tuple(values[name])) for name in names]


def steps(bench: Bench) -> int:
    """How many steps `measure` tells."""
    return 3 * min(bench.rounds, _ROUNDS)


def _marginal(bench: Bench, name: str, clients: int) -> float:
    with bench.server(name.partition("-")[0]) as server:

        def client(count: int) -> LoadClient:
            targets = {"gateway-bare": ["/bare"], "fastapi": ["/open"]}.get(name) or staff_targets("/ws/waiter", count)
            return LoadClient(bench.binaries, server.port, targets, count, size=bench.size)

        with client(max(1, int(clients * WARM_SHARE))) as first:
            first.joined()
            time.sleep(_SETTLE_SECONDS)
            before = server.memory().pss
            with client(clients) as second:
                second.joined()
                time.sleep(_SETTLE_SECONDS)
                grown = server.memory().pss - before
                # At once, and before its clients: connections without a label are none that the hub could say
                # goodbye to.
                server.kill()
    return grown / clients
