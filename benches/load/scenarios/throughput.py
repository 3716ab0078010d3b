"""Deliveries per server CPU-second: one event at a time, and in bursts."""

from __future__ import annotations

from contextlib import ExitStack

from benches.load.contenders import Bench
from benches.load.measurement import Measurement
from benches.load.pair import Pair

BURSTS = (1, 16, 64)

_ROUND_DELIVERIES = {1: 50_000, 16: 500_000, 64: 1_000_000}
"""About half a second of work for whoever coalesces."""

_COALESCE = frozenset({"bare", "socketify", "gateway"})

UNIT = "deliveries/CPU-s"


def scenario_name(burst: int) -> str:
    """`single` or `burst-16`."""
    return "single" if burst == 1 else f"burst-{burst}"


def measure(bench: Bench, clients: int) -> list[Measurement]:
    """All contenders are up with all their clients; they take turns within each round, in a rotating order."""
    names = bench.throughput_contenders
    measurements = []
    with ExitStack() as stack:
        pairs = {}
        for name in names:
            pairs[name] = stack.enter_context(Pair(bench, name, clients))
            bench.step(f"{name} has {clients} clients")
        for burst in BURSTS:
            values: dict[str, list[float]] = {name: [] for name in names}
            for name in names:  # once unmeasured: caches, buffers and socket windows grow
                pairs[name].send(burst, burst)
            for turn in range(bench.rounds):
                for name in rotated(names, turn):
                    events = _events(name, burst, clients)
                    values[name].append(events * clients / pairs[name].send(events, burst))
                    bench.step(f"{scenario_name(burst)}, round {turn + 1}, {name}: {values[name][-1]:,.0f} {UNIT}")
            measurements += [
                Measurement(scenario_name(burst), clients, name, UNIT, tuple(values[name])) for name in names
            ]
    return measurements


def steps(bench: Bench) -> int:
    """How many steps `measure` tells."""
    return len(bench.throughput_contenders) * (1 + len(BURSTS) * bench.rounds)


def rotated(names: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Another first one in each round, so that nobody always follows the same neighbour."""
    at = turn % len(names)
    return names[at:] + names[:at]


def _events(name: str, burst: int, clients: int) -> int:
    # Who sends one by one needs no more events for the same time; whole bursts, at least one.
    deliveries = _ROUND_DELIVERIES[burst] if name in _COALESCE else _ROUND_DELIVERIES[1]
    return burst * max(1, round(deliveries / clients / burst))
