"""The metrics' values inside the process, for whoever shows them otherwise than to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class Readings:
    """What a registry says at one moment. A look costs about what a scrape does: a millisecond or two."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._values: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in registry.collect():
            for sample in family.samples:
                self._values.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value

    def of(self, name: str) -> float | None:
        """The value of a metric without labels, or the sum over them; None where there is no such metric."""
        values = self._values.get(name)
        return None if values is None else sum(values.values())

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels, summed over the others; empty where there is no such metric."""
        sums: dict[str, float] = {}
        for labels, value in self._values.get(name, {}).items():
            if (of := dict(labels).get(label)) is not None:
                sums[of] = sums.get(of, 0.0) + value
        return sums
