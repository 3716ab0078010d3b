"""What the gateway aims at, as data; a result is held against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benches.load.measurement import Measurement, find
from benches.load.spread import Spread


@dataclass(frozen=True)
class Aim:
    """One line of the table.

    Attributes:
        title: what is aimed at, in words.
        scenario: see `Measurement`.
        clients: see `Measurement`; None for the run with the most.
        contender: whose value counts.
        against: whose value it is divided by, round by round; None for the value itself.
        least: it should be at least this; or
        most: it should be at most this.
        digits: decimal places to show.
        unit: of the value itself.
    """

    title: str
    scenario: str
    clients: int | None
    contender: str
    against: str | None = None
    least: float | None = None
    most: float | None = None
    digits: int = 2
    unit: str = ""

    @property
    def text(self) -> str:
        """Such as `≥ 0.95 of bare`; empty if it is only reported."""
        sign, limit = ("≥", self.least) if self.least is not None else ("≤", self.most)
        if limit is None:
            return ""
        return f"{sign} {limit:g} of {self.against}" if self.against else f"{sign} {limit:g} {self.unit}".rstrip()

    def holds(self, value: float) -> bool:
        """Whether a value is as aimed at; True where nothing is."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Verdict:
    """An aim and what was measured; the median decides, since the machine drifts."""

    aim: Aim
    measured: Spread

    @property
    def reached(self) -> bool:
        """Whether the median is as aimed at."""
        return self.aim.holds(self.measured.median)


def _throughput() -> list[Aim]:
    aims = []
    for clients in (1_000, 10_000):
        for scenario, bare, loop in (("single", 0.95, 2.5), ("burst-16", 0.9, 20), ("burst-64", 0.9, 20)):
            title = f"{scenario.replace('-', ' of ')}, {clients:,} clients: deliveries per server CPU-second"
            aims += [
                Aim(title, scenario, clients, "gateway", "bare", least=bare),
                Aim(title, scenario, clients, "gateway", "fastapi", least=loop, digits=1),
                # "Level" on a machine that drifts by a tenth between two rounds.
                Aim(title, scenario, clients, "gateway", "socketify", least=0.9 if scenario == "single" else None),
            ]
    return aims


AIMS: tuple[Aim, ...] = (
    *_throughput(),
    Aim(
        "process memory per idle connection, without keys and label",
        "memory",
        None,
        "gateway-bare",
        most=400,
        digits=0,
        unit="B",
    ),
    Aim("process memory per idle connection, with keys and label", "memory", None, "gateway", digits=0, unit="B"),
    Aim("joins per server CPU-second, JWT checked", "joins", None, "gateway", "fastapi", least=2.5),
    Aim("joins per server CPU-second, JWT seen before", "joins", None, "gateway-cached", "fastapi", least=3),
    Aim("event loop lag p99 during fan-out", "lag", None, "gateway", most=5, digits=1, unit="ms"),
    Aim("heartbeat answer p99 during fan-out", "heartbeat", None, "gateway", most=20, digits=1, unit="ms"),
    # A bound on noise, not a wish: with fewer rounds or another machine it may have to be wider.
    Aim("others' latency p99 beside a stalled client", "stalled", None, "stalled", "undisturbed", most=1.25),
)


def judge(measurements: Sequence[Measurement], aims: Sequence[Aim] = AIMS) -> list[Verdict]:
    """Every aim of which everything was measured."""
    verdicts = []
    for aim in aims:
        own = find(measurements, aim.scenario, aim.clients, aim.contender)
        if own is None:
            continue
        if aim.against is None:
            verdicts.append(Verdict(aim, own.spread))
        elif (base := find(measurements, aim.scenario, own.clients, aim.against)) is not None:
            verdicts.append(Verdict(aim, own.against(base)))
    return verdicts
