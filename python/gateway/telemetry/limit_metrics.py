"""Metrics of the limits over all nodes, and of clients that are told when to come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter, Gauge


class LimitMetrics:
    """Keeps `hub.base.LimitObserver`. Thread-safe.

    Attributes:
        waiting: handshakes that wait for their turn; its function is set by who has the queue.
    """

    def __init__(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        """`counter` and `gauge` declare a metric: name, text, and the known values of a label."""
        self._renewed = counter("places_renewed_total", "Places over all nodes that were held for another lease.")
        self._freed = counter(
            "places_freed_total", "Places of dead nodes that were freed because somebody needed them."
        )
        self._put_off = counter(
            "limits_put_off_total", "Writes of places and penalties that Redis did not take; they are tried again."
        )
        self._penalties = counter("penalties_total", "Users and table sessions that are refused for a minute.")
        self._hints = counter("reconnect_hints_total", "Connections that were told when to come back.")
        self.waiting = gauge("joins_waiting", "Handshakes that wait for their turn.")

    def on_places_renewed(self, places: int) -> None:
        """See `LimitObserver`."""
        self._renewed.inc(places)

    def on_places_freed(self, places: int) -> None:
        """See `LimitObserver`."""
        self._freed.inc(places)

    def on_limits_put_off(self) -> None:
        """See `LimitObserver`."""
        self._put_off.inc()

    def on_penalty(self) -> None:
        """See `LimitObserver`."""
        self._penalties.inc()

    def on_reconnect_hints(self, connections: int) -> None:
        """See `LimitObserver`."""
        self._hints.inc(connections)
