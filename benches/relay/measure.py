"""One arrangement measured: the most by each way, and the latency at half of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benches.load.binaries import Binaries
from benches.load.errors import BenchError
from benches.load.process import JsonProcess, cpu_seconds_of
from benches.relay.node import Node, running_nodes
from benches.relay.shape import RECIPIENTS, Shape
from gateway.broker.embedded import EmbeddedServer

WAYS = {"critical": "stream", "best effort": "pubsub"}
"""What events are called, and by which way they come in."""

SHARES = (0.5, 0.4, 0.25)
"""Of the most: half is asked for, less only where a machine that others use too lost an event at that."""

JOIN_SECONDS = 120.0


class Seconds(NamedTuple):
    """How long each part of a measurement takes."""

    warm_up: float = 0.5
    flood: float = 3.0
    paced: float = 3.0


class Measured(NamedTuple):
    """What one way did in one arrangement.

    Attributes:
        rooms: how many.
        nodes: how many.
        way: see `WAYS`.
        rate: events a second, with a bounded number under way: from the first one written to the last one received.
        share: of that rate, at which latencies were taken.
        p50: milliseconds from the write to Redis to the client.
        p99: the same.
        gateway_cpu: microseconds of CPU for an event, of all gateways together, at the full rate.
        redis_cpu: the same of Redis.
    """

    rooms: int
    nodes: int
    way: str
    rate: float
    share: float
    p50: float
    p99: float
    gateway_cpu: float
    redis_cpu: float


class RelayLoad(JsonProcess):
    """The producer and the clients."""

    def __init__(self, binaries: Binaries, shape: Shape, redis_url: str, nodes: Sequence[Node]) -> None:
        """Connect and join; `joined` waits until that is done."""
        self._members = tempfile.NamedTemporaryFile("w", suffix=".members")  # noqa: SIM115 - closed in `stop`
        self._members.write("\n".join(shape.members([node.port for node in nodes])))
        self._members.flush()
        redis = urlsplit(redis_url)
        arguments = {
            "--redis": f"127.0.0.1:{redis.port}",
            "--members": Path(self._members.name),
            "--rooms": shape.rooms,
        }
        super().__init__(
            "the relay load",
            [binaries.relay_load, *(str(word) for pair in arguments.items() for word in pair)],
            environment={"RELAY_LOAD_PASSWORD": redis.password} if redis.password else None,
        )

    def joined(self) -> None:
        """Wait until every client was welcomed.

        Raises:
            BenchError: one was not.
        """
        self.answer("joined", JOIN_SECONDS)

    def phase(self, kind: str, way: str, number: float, seconds: float) -> dict[str, Any]:
        """Go through a phase, see `relay-load --help`.

        Raises:
            LossError: an event did not come to each of its recipients once, in order and byte for byte.
        """
        line = f"{kind} {WAYS[way]} {round(number)} {round(seconds * 1_000)}"
        found: dict[str, Any] = self.ask(line, "phase", seconds + 120)
        if not found["ok"]:
            raise LossError(f"{line}: {found['faults']}")
        if found["deliveries"] != found["events"] * RECIPIENTS:
            raise BenchError(f"{line}: {found['deliveries']} deliveries of {found['events']} events")
        return found

    def stop(self) -> int:
        """See `JsonProcess.stop`."""
        self._members.close()
        return super().stop()


class LossError(BenchError):
    """Something was not delivered as it should be."""


def measure(binaries: Binaries, shape: Shape, seconds: Seconds) -> list[Measured]:
    """Measure both ways on Redis and gateways of their own.

    Raises:
        BenchError: something does not start, or loses an event at the smallest share too.
    """
    server = EmbeddedServer()
    redis_url = server.start_sync()
    try:
        with running_nodes(shape.nodes, redis_url) as nodes:
            running = _Running(binaries, shape, redis_url, server.pid, nodes)
            return [running.measure(way, seconds) for way in WAYS]
    finally:
        server.stop_sync()


class _Running(NamedTuple):
    """One arrangement that is up."""

    binaries: Binaries
    shape: Shape
    redis_url: str
    redis_pid: int
    nodes: Sequence[Node]

    def measure(self, way: str, seconds: Seconds) -> Measured:
        with self._joined() as load:
            load.phase("flood", way, self.shape.window, seconds.warm_up)
            before = self._cpu()
            flood = load.phase("flood", way, self.shape.window, seconds.flood)
            costs = [(then - now) / flood["events"] * 1e6 for now, then in zip(before, self._cpu(), strict=True)]
        rate = flood["events"] / flood["seconds"]
        share, paced = self._paced(way, rate, seconds)
        return Measured(*self.shape, way, rate, share, paced["p50_ms"], paced["p99_ms"], *costs)

    def _paced(self, way: str, rate: float, seconds: Seconds) -> tuple[float, dict[str, Any]]:
        """The first share at which nothing is lost, and what was found at it."""
        for share in SHARES:
            # Anew each time: clients that missed an event are of no more use.
            with self._joined() as load:
                try:
                    return share, load.phase("pace", way, max(1.0, rate * share), seconds.paced)
                except LossError:
                    if share == SHARES[-1]:
                        raise
        raise AssertionError("unreachable: the last share returns or raises")

    def _cpu(self) -> tuple[float, float]:
        """Seconds of all gateways, and of Redis."""
        return sum(cpu_seconds_of(node.pid) for node in self.nodes), cpu_seconds_of(self.redis_pid)

    @contextmanager
    def _joined(self) -> Iterator[RelayLoad]:
        with RelayLoad(self.binaries, self.shape, self.redis_url, self.nodes) as load:
            load.joined()
            yield load
