"""What a way in tells telemetry, noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class NotingIngestObserver:
    """Keeps `ingest.base.IngestObserver`."""

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.submitted = 0
        self.tenants: Counter[int] = Counter()
        self.tenants_dropped: Counter[int] = Counter()
        self.interruptions = 0
        self.outages: list[float] = []

    def on_received(self, source: str, events: int) -> None:
        self.received[source] += events

    def on_dropped(self, reason: str, events: int) -> None:
        self.dropped[reason] += events

    def on_submitted(self, events: int) -> None:
        self.submitted += events

    def on_tenants(self, events: Mapping[int, int], dropped: Mapping[int, int]) -> None:
        self.tenants.update(events)
        self.tenants_dropped.update(dropped)

    def on_interruption(self) -> None:
        self.interruptions += 1

    def on_reconnected(self, seconds: float) -> None:
        self.outages.append(seconds)
