"""Metrics of rights that end or change while somebody is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Histogram

REVALIDATIONS = ("passed", "revoked", "put_off")
SCOPES = ("token", "user", "session", "tenant")
ANNOUNCEMENTS = ("revoked", "sectors", "malformed")

REVOCATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds: from a good day to an outage of Redis."""


class RightsMetrics:
    """Keeps `hub.base.RightsObserver` and `ingest.announcements_base.AnnouncementObserver`. Thread-safe."""

    def __init__(self, counter: Callable[..., Counter], histogram: Callable[..., Histogram]) -> None:
        """`counter` and `histogram` declare a metric."""
        self.revalidations = counter(
            "revalidations_total", "Connections that were checked again, by the answer.", outcome=REVALIDATIONS
        )
        self.revocations = counter("revocations_total", "Announced revocations that were carried out.", scope=SCOPES)
        self.revoked_connections = counter(
            "revoked_connections_total", "Connections that these closed, with 4001.", scope=SCOPES
        )
        self.revocation_seconds = histogram(
            "revocation_seconds",
            "From the time in a revocation's key until the last connection of this node is closed.",
            REVOCATION_BUCKETS,
        )
        self.idle_announcements = counter(
            "revocations_without_key_total", "Revocations that were announced and stand in no key: nobody was closed."
        )
        self.sector_changes = counter(
            "sector_changes_total", "Connections that got other sectors because a change was announced."
        )
        self.sweeps = counter(
            "rights_sweeps_total", "Times that all connections were checked, since announcements may have been missed."
        )
        self.announcements = counter("announcements_total", "Announcements that were heard.", kind=ANNOUNCEMENTS)
        self.interruptions = counter(
            "announcement_interruptions_total", "Cuts of the connection on which announcements are heard."
        )

    def on_revalidated(self, outcome: str, connections: int) -> None:
        """See `RightsObserver`."""
        self.revalidations.labels(outcome=outcome).inc(connections)

    def on_sweep(self) -> None:
        """See `RightsObserver`."""
        self.sweeps.inc()

    def on_revocation(self, scope: str, closed: int, seconds: float | None) -> None:
        """See `RightsObserver`."""
        self.revocations.labels(scope=scope).inc()
        self.revoked_connections.labels(scope=scope).inc(closed)
        if seconds is not None:
            self.revocation_seconds.observe(seconds)

    def on_idle_announcement(self) -> None:
        """See `RightsObserver`."""
        self.idle_announcements.inc()

    def on_sectors_changed(self, connections: int) -> None:
        """See `RightsObserver`."""
        self.sector_changes.inc(connections)

    def on_announcement(self, kind: str) -> None:
        """See `AnnouncementObserver`."""
        self.announcements.labels(kind=kind).inc()

    def on_deaf(self) -> None:
        """See `AnnouncementObserver`."""
        self.interruptions.inc()
