"""Broadcasts in the log, for who looks for one event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.fanout.base import NullObserver

if TYPE_CHECKING:
    from gateway.fanout.base import BroadcastReport, Submission

_log = logging.getLogger(__name__)


class BroadcastLog(NullObserver):
    """Logs what became of each event, at DEBUG.

    The payload is the tenant's, and is not logged.
    """

    @staticmethod
    def is_wanted() -> bool:
        """Whether this logger is at DEBUG; where it is not, nobody should have this look on."""
        return _log.isEnabledFor(logging.DEBUG)

    def watches(self, event: Submission) -> bool:  # noqa: ARG002 - all or none
        """See `BroadcastObserver`."""
        return True

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`."""
        event, reach, seconds, _ = report
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
