"""Broadcasts in the log, for who looks for one event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.fanout.base import NullObserver

if TYPE_CHECKING:
    from gateway.fanout.base import BroadcastReport, Submission

_log = logging.getLogger("gateway.broadcasts")


class BroadcastLog(NullObserver):
    """Logs what became of each event, while the logger `gateway.broadcasts` is at DEBUG; otherwise it watches nothing.

    The payload is the tenant's, and is not logged.
    """

    def watches(self, event: Submission) -> bool:  # noqa: ARG002 - all or none
        """See `BroadcastObserver`."""
        return _log.isEnabledFor(logging.DEBUG)

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`."""
        event, reach, seconds = report
        _log.debug(
            "event passed",
            extra={
                "event_id": event.event_id,
                "source": event.source,
                "tenant": event.room.tenant,
                "branch": event.room.branch,
                "audiences": list(event.audiences),
                "matched": reach.matched,
                "queued": reach.queued,
                "lost": reach.lost,
                "seconds": round(seconds, 6),
            },
        )
