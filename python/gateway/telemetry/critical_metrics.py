"""Metrics of critical events: the relay, the rooms' live channels, what was repaired and what was not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.protocol.events import DropReason

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Gauge

REPAIR_CAUSES = ("lost_message", "check", "queue_full", "backlog")
RELAY_OUTCOMES = ("added", "repeat")

DEAD_LETTER_REASONS = (*DropReason, "failed")
"""A refused entry goes to the dead-letter queue with its drop reason, one that fails time and again as `failed`."""


class CriticalMetrics:
    """Keeps `ingest.relay_base.RelayObserver`, and the numbers that `LiveMetrics` counts. Thread-safe."""

    def __init__(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """`counter` and `gauge` declare a metric: name, text, and the known values of a label."""
        self.live_interruptions = counter("live_interruptions_total", "Cuts of the live channels' connection.")
        self.repairs = counter("room_repairs_total", "Rooms that were read from history.", cause=REPAIR_CAUSES)
        self.gaps = counter(
            "critical_gaps_total", "Times that a room's members were told that a critical event may be missing."
        )
        self.rooms_behind = gauge("rooms_behind", "Rooms that wait for permits, to be repaired from history.")
        self.relay_active = gauge("relay_active", "1 while this node is the active relay.")
        self.lease_changes = counter("relay_lease_changes_total", "Times that this node got or lost the relay's lease.")
        self.relayed = counter(
            "relay_events_total", "Critical events written to their rooms, or found there.", outcome=RELAY_OUTCOMES
        )
        self.refed = counter("relay_refed_total", "Critical events that were fed again at take-over.")
        self.histories_begun = counter("relay_histories_begun_total", "Times that a room's history was begun again.")
        self.dead_letters = counter(
            "relay_dead_letters_total", "Entries that went to the dead-letter queue.", reason=DEAD_LETTER_REASONS
        )
        self.lost_at_source = counter(
            "critical_lost_at_source_total", "Entries that vanished from the source before they were relayed."
        )
        self.relay_lag = gauge("relay_lag", "Entries that wait in the source; NaN when Redis cannot tell.")

    def on_lease(self, *, held: bool) -> None:
        """See `RelayObserver`."""
        self.relay_active.set(held)
        self.lease_changes.inc()

    def on_relayed(self, added: int, repeats: int) -> None:
        """See `RelayObserver`."""
        self.relayed.labels(outcome="added").inc(added)
        self.relayed.labels(outcome="repeat").inc(repeats)

    def on_refed(self, entries: int, added: int) -> None:
        """See `RelayObserver`; what was missing is counted as relayed."""
        self.refed.inc(entries)
        self.relayed.labels(outcome="added").inc(added)

    def on_history_begun(self, times: int) -> None:
        """See `RelayObserver`."""
        self.histories_begun.inc(times)

    def on_dead_letter(self, reason: str, entries: int) -> None:
        """See `RelayObserver`."""
        self.dead_letters.labels(reason=str(reason)).inc(entries)

    def on_lost_at_source(self, entries: int) -> None:
        """See `RelayObserver`."""
        self.lost_at_source.inc(entries)

    def on_lag(self, entries: int | None) -> None:
        """See `RelayObserver`."""
        self.relay_lag.set(math.nan if entries is None else entries)
