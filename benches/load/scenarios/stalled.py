"""What one client that does not read does to the others."""

from __future__ import annotations

import time

from benches.load.contenders import Bench
from benches.load.errors import BenchError
from benches.load.measurement import Measurement
from benches.load.pair import Pair
from benches.load.unsent import unsent_bytes

UNIT = "ms p99"

FILL_EVENTS = 2_048
"""A socket's send buffer holds some hundred kilobytes of a client that takes nothing; half a megabyte is more."""

_ROUND_EVENTS = 64

_ACKNOWLEDGE_SECONDS = 5.0


def measure(bench: Bench, clients: int) -> list[Measurement]:
    """Latency of `clients` healthy clients in two gateways side by side, one of which has a stalled client too.

    Raises:
        BenchError: nothing stalled, so nothing was measured.
    """
    values: dict[str, list[float]] = {"stalled": [], "undisturbed": []}
    with Pair(bench, "gateway", clients, stalled=1) as stalled, Pair(bench, "gateway", clients) as undisturbed:
        pairs = {"stalled": stalled, "undisturbed": undisturbed}
        for pair in pairs.values():
            pair.send(FILL_EVENTS, 64)
        _check_stalled(stalled, undisturbed)
        for turn in range(bench.rounds):
            for name in ("stalled", "undisturbed") if turn % 2 else ("undisturbed", "stalled"):
                pairs[name].taken()
                pairs[name].send(_ROUND_EVENTS, 1)
                values[name].append(pairs[name].taken()["latency_us"]["p99"] / 1_000)
                bench.step(f"stalled, round {turn + 1}, {name}: {values[name][-1]:.2f} {UNIT}")
    return [Measurement("stalled", clients, name, UNIT, tuple(values[name])) for name in values]


def _check_stalled(stalled: Pair, undisturbed: Pair) -> None:
    # A client that has read everything may acknowledge it some 40 ms later; one that does not read never does.
    deadline = time.monotonic() + _ACKNOWLEDGE_SECONDS
    while unsent_bytes(undisturbed.server.port):
        if time.monotonic() > deadline:
            raise BenchError("a client of the undisturbed gateway does not read; nothing can be compared with it")
        time.sleep(0.05)
    if not unsent_bytes(stalled.server.port):
        raise BenchError("the client that should not read has been sent everything: nothing stalled")


def steps(bench: Bench) -> int:
    """How many steps `measure` tells."""
    return 2 * bench.rounds
