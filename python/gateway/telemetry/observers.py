"""Several observers of broadcasts as one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.fanout.base import BroadcastObserver, BroadcastReport, Submission

_log = logging.getLogger("gateway.telemetry")


class BroadcastObservers:
    """Keeps `fanout.base.BroadcastObserver` and tells each of the given observers. Event loop only.

    One that fails is logged, and the others are told all the same: what is observed must not end for who looks on.
    """

    def __init__(self, *observers: BroadcastObserver, counting: Sequence[BroadcastObserver] = ()) -> None:
        """Those that are `counting` watch no event, and are not asked for each."""
        self._watching = observers
        self._all = (*observers, *counting)

    def watches(self, event: Submission) -> bool:
        """See `BroadcastObserver`: whether any of them does."""
        # A plain loop: it runs for every event, and a generator would cost twice as much.
        for observer in self._watching:  # noqa: SIM110
            if observer.watches(event):
                return True
        return False

    def on_passed(self, report: BroadcastReport) -> None:
        """See `BroadcastObserver`; for each observer that watches the event."""
        for observer in self._watching:
            try:
                if observer.watches(report.event):
                    observer.on_passed(report)
            except Exception:  # noqa: BLE001 - logged in full; the caller gives permits back
                _log.exception("an observer of broadcasts failed")

    def on_dropped(self, events: int) -> None:
        """See `BroadcastObserver`."""
        for observer in self._all:
            observer.on_dropped(events)

    def on_overflow(self) -> None:
        """See `BroadcastObserver`."""
        for observer in self._all:
            observer.on_overflow()

    def on_client_message(self, kind: str) -> None:
        """See `BroadcastObserver`."""
        for observer in self._all:
            observer.on_client_message(kind)
