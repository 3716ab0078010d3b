"""Notice when too large a share of the events is dropped."""

from __future__ import annotations

import logging
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.types import Clock

_log = logging.getLogger("gateway.ingest")


@dataclass(frozen=True, slots=True)
class DropRateAlert:
    """What an alert says.

    Attributes:
        received: events in the window.
        dropped: how many of them were dropped.
        reasons: how many for which reason.
        window: the window's length, in seconds.
        limit: the share that was exceeded, from 0 to 1.
    """

    received: int
    dropped: int
    reasons: Mapping[str, int]
    window: float
    limit: float

    def __str__(self) -> str:
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.reasons.items())
        return (
            f"{self.dropped / self.received:.1%} of the events of the last {self.window:g} s were dropped "
            f"({self.dropped} of {self.received}; the limit is {self.limit:.1%}): {reasons}"
        )


@dataclass(slots=True)
class _Slice:
    """One second of the window."""

    second: int
    received: int
    reasons: Counter[str]


class EventDropRateTracker:
    """The share of dropped events in a sliding window of whole seconds, and an alert when it is too large.

    Memory is one entry per second of the window, whatever the load. For one event loop; not thread-safe.

    Args:
        clock: `monotonic` is used.
        share: the share of dropped events above which there is an alert, between 0 and 1.
        window: seconds that are looked at.
        cooldown: seconds after an alert in which there is no other.
        on_alert: told each alert, after it was logged as a warning; must not raise.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        share: float = 0.05,
        window: float = 60.0,
        cooldown: float = 300.0,
        on_alert: Callable[[DropRateAlert], None] | None = None,
    ) -> None:
        if not 0 < share < 1:
            raise ValueError(f"share must be between 0 and 1, got {share}")
        self._clock = clock
        self._share = share
        self._window = window
        self._cooldown = cooldown
        self._on_alert = on_alert
        # Among fewer events than this a single drop is already too large a share.
        self._least = math.ceil(1 / share)
        self._slices: deque[_Slice] = deque()
        self._received = 0
        self._reasons: Counter[str] = Counter()
        self._quiet_until = -math.inf

    def record(self, received: int, dropped: Mapping[str, int]) -> None:
        """Count a batch: how many events came, and how many of these were dropped for which reason."""
        now = self._clock.monotonic()
        self._forget(now)
        second = int(now)
        if not self._slices or self._slices[-1].second != second:
            self._slices.append(_Slice(second, 0, Counter()))
        newest = self._slices[-1]
        newest.received += received
        self._received += received
        if dropped:
            newest.reasons.update(dropped)
            self._reasons.update(dropped)
            self._judge(now)

    def share(self) -> float:
        """The share of dropped events in the window, from 0 to 1; 0 without events."""
        self._forget(self._clock.monotonic())
        return self._reasons.total() / self._received if self._received else 0.0

    def _forget(self, now: float) -> None:
        while self._slices and self._slices[0].second <= now - self._window:
            oldest = self._slices.popleft()
            self._received -= oldest.received
            self._reasons -= oldest.reasons  # also removes reasons that fell to nought

    def _judge(self, now: float) -> None:
        dropped = self._reasons.total()
        if self._received < self._least or dropped <= self._share * self._received or now < self._quiet_until:
            return
        self._quiet_until = now + self._cooldown
        alert = DropRateAlert(self._received, dropped, dict(self._reasons.most_common()), self._window, self._share)
        _log.warning(
            "%s",
            alert,
            extra={"received": alert.received, "dropped": alert.dropped, "reasons": dict(alert.reasons)},
        )
        if self._on_alert is not None:
            self._on_alert(alert)
