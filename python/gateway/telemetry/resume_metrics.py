"""Metrics of clients that come back: what became of their positions, over WebSocket and over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Gauge

RESUME_OUTCOMES = ("ring", "history", "unknown", "gap", "timed_out", "too_many", "left")
CATCHUP_STATUSES = ("200", "400", "401", "403", "410", "503")


class ResumeMetrics:
    """Keeps `ingest.resume_base.ResumeObserver`. Thread-safe."""

    def __init__(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """`counter` and `gauge` declare a metric: name, text, and the known values of a label."""
        self.resumes = counter(
            "resumes_total", "Branches that clients asked to resume, by what came of it.", outcome=RESUME_OUTCOMES
        )
        self.replays = gauge("replays", "Connections that are being given history page by page.")
        self.catchups = counter("catchups_total", "Answers of catch-up over HTTP.", status=CATCHUP_STATUSES)

    def on_resume(self, outcome: str) -> None:
        """See `ResumeObserver`."""
        self.resumes.labels(outcome=str(outcome)).inc()

    def on_replays(self, running: int) -> None:
        """See `ResumeObserver`."""
        self.replays.set(running)

    def on_catchup(self, status: int) -> None:
        """One answer was given."""
        self.catchups.labels(status=str(int(status))).inc()
