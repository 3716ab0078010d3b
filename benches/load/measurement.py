"""What one contender showed in one scenario."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from benches.load.spread import Spread


@dataclass(frozen=True)
class Measurement:
    """One value per round.

    Attributes:
        scenario: `single`, `burst-16`, `burst-64`, `memory`, `joins`, `lag`, `heartbeat`, `stalled`.
        clients: connections that received.
        contender: who; see `contenders`.
        unit: of the values.
        values: in the order of the rounds; values of two contenders with the same index were measured side by side.
    """

    scenario: str
    clients: int
    contender: str
    unit: str
    values: tuple[float, ...]

    @property
    def spread(self) -> Spread:
        """Of the values."""
        return Spread.of(self.values)

    def against(self, base: Measurement) -> Spread:
        """Of the ratios to another contender's values of the same rounds."""
        return Spread.of_ratios(self.values, base.values)

    def to_json(self) -> dict[str, Any]:
        """With the spread, for readers who do not compute it."""
        return {**asdict(self), "values": list(self.values), **asdict(self.spread)}

    @classmethod
    def from_json(cls, members: dict[str, Any]) -> Self:
        """The reverse of `to_json`."""
        return cls(
            scenario=members["scenario"],
            clients=members["clients"],
            contender=members["contender"],
            unit=members["unit"],
            values=tuple(members["values"]),
        )


def find(measurements: Iterable[Measurement], scenario: str, clients: int | None, contender: str) -> Measurement | None:
    """The measurement of these; `clients` None takes the one with the most."""
    found = [
        one
        for one in measurements
        if (one.scenario, one.contender) == (scenario, contender) and clients in (None, one.clients)
    ]
    return max(found, key=lambda one: one.clients, default=None)
