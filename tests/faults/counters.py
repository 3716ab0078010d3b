"""What a node has counted: the numbers of its metrics that say something was lost."""

from __future__ import annotations

from dataclasses import dataclass, fields

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Counters:
    """The losses that a node knows of.

    Attributes:
        dropped: best-effort events that were refused on their way in.
        outbox_dropped: best-effort events dropped from the outboxes of slow connections.
        interruptions: cuts of the best-effort subscription; events were missed, nobody knows how many.
        gaps: times that a room's members were told that a critical event may be missing.
        dead_letters: entries that went to the dead-letter queue.
        lost_at_source: entries that vanished before they were relayed.
    """

    dropped: int = 0
    outbox_dropped: int = 0
    interruptions: int = 0
    gaps: int = 0
    dead_letters: int = 0
    lost_at_source: int = 0

    def __add__(self, other: Counters) -> Counters:
        """Of a node's lives, one after the other."""
        return Counters(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))


_NAMES = {
    "gateway_events_dropped_total": "dropped",
    "gateway_outbox_dropped_total": "outbox_dropped",
    "gateway_pubsub_interruptions_total": "interruptions",
    "gateway_critical_gaps_total": "gaps",
    "gateway_relay_dead_letters_total": "dead_letters",
    "gateway_critical_lost_at_source_total": "lost_at_source",
}


def read_counters(scrape: str) -> Counters:
    """From the body of `/ws/metrics`."""
    sums = dict.fromkeys(_NAMES.values(), 0)
    for family in text_string_to_metric_families(scrape):
        for sample in family.samples:
            if sample.name in _NAMES:
                sums[_NAMES[sample.name]] += int(sample.value)
    return Counters(**sums)
