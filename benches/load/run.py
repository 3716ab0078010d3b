"""All scenarios of a run, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import ModuleType

from benches.load.contenders import Bench
from benches.load.cores import CLIENT_CORE, SERVER_CORE
from benches.load.machine import describe_machine, describe_versions
from benches.load.measurement import Measurement
from benches.load.progress import progress
from benches.load.result import Result
from benches.load.scenarios import joins, memory, responsiveness, stalled, throughput

SCENARIOS: dict[str, tuple[ModuleType, tuple[int, ...]]] = {
    "throughput": (throughput, (1_000, 10_000)),
    "memory": (memory, (10_000,)),
    "joins": (joins, (1_000,)),
    "responsiveness": (responsiveness, (10_000,)),
    "stalled": (stalled, (1_000,)),
}
"""Name: what measures it, and with how many clients."""


def run(bench: Bench, names: Iterable[str], clients: Sequence[int] = ()) -> Result:
    """Measure; `clients` stands in place of each scenario's own numbers.

    Raises:
        BenchError: a check failed; there is no result of a run that was not exact.
    """
    measurements: list[Measurement] = []
    for name in names:
        module, usual = SCENARIOS[name]
        for count in clients or usual:
            with progress(f"{name}, {count} clients", module.steps(bench)) as step:
                measurements += module.measure(replace(bench, step=step), count)
    return Result(
        date=datetime.now(UTC).date().isoformat(),
        machine=describe_machine(),
        versions=describe_versions(bench.socketify),
        method={
            "rounds": bench.rounds,
            "event_bytes": bench.size,
            "sockets": bench.sockets,
            "server_core": SERVER_CORE,
            "client_core": CLIENT_CORE,
            "cpu": "user and system time of the server's process, all threads",
            "order": "contenders alternate within a round; ratios are taken round by round",
            "checked": "every client got every event once, in order, byte for byte",
        },
        measurements=tuple(measurements),
    )
