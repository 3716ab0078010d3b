"""One operator's live tail: a sample of the events that come in, in bounded time and memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.endpoints.console.tail_filter import TailFilter, type_of
from gateway.fanout.base import Submission
from gateway.types import Clock

SHOWN_PER_SECOND: Final = 50
"""Events that go to one operator in a second: more than anybody reads, and a page that still answers."""

LOOKED_AT_PER_SECOND: Final = 20_000
"""Events of a second that are compared with a filter by tenant, branch and delivery, at half a microsecond each."""

READ_PER_SECOND: Final = 2_000
"""Events of a second whose bytes are looked at for a filter, at about a microsecond each."""

WAITING: Final = 200
"""Events that wait for a socket that is slow."""

SHOWN_BYTES: Final = 4_096
"""Of an event's JSON; the rest is cut off, and the page says so."""


class TailEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event as the page gets it.

    Attributes:
        at: Unix seconds at which this node took it in.
        type: of the event.
        tenant: of the event.
        branch: of the event.
        audiences: whom it goes to, in its room.
        critical: whether it has a position.
        accepted: False when the fan-out had no permit for it.
        event: its JSON, cut to `SHOWN_BYTES` bytes.
        position: of a critical event.
        size: bytes of its JSON, where it was cut.
    """

    at: float
    type: str
    tenant: int
    branch: int
    audiences: tuple[str, ...]
    critical: bool
    accepted: bool
    event: str
    position: str | None = None
    size: int | None = None


class EventTail:
    """Keeps `ingest.tap.TapWatcher` for one operator. For one event loop; not thread-safe.

    It never makes an event wait: once a budget of this second is spent, whole batches pass uncompared.

    Attributes:
        seen: events that came by since it was opened.
        skipped: those that were not looked at, for want of budget or of room.
    """

    def __init__(self, clock: Clock, wanted: TailFilter) -> None:
        """`clock`: `monotonic` for the budgets, `time` for what is shown."""
        self._clock = clock
        self._wanted = wanted
        self._waiting: deque[TailEvent] = deque()
        self._second = -1
        self._looked_at = 0
        self._read = 0
        self._shown = 0
        self.seen = 0
        self.skipped = 0

    def change(self, wanted: TailFilter) -> None:
        """Ask for other events; those that wait and do not match are let go."""
        self._wanted = wanted
        self._waiting.clear()

    def take(self) -> list[TailEvent]:
        """What has been gathered since the last time."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def on_submitted(self, items: Sequence[Submission], accepted: Sequence[bool]) -> None:
        """See `TapWatcher`."""
        self.seen += len(items)
        self._begin_second()
        for index, (item, taken) in enumerate(zip(items, accepted, strict=True)):
            if self._is_spent:
                self.skipped += len(items) - index
                return
            self._looked_at += 1
            if not self._wanted.may_match(item):
                continue
            if self._wanted.needs_reading:
                self._read += 1
                if not self._wanted.matches_bytes(item.payload):
                    continue
            self._shown += 1
            self._waiting.append(self._event(item, accepted=taken))

    @property
    def _is_spent(self) -> bool:
        return (
            self._shown >= SHOWN_PER_SECOND
            or self._read >= READ_PER_SECOND
            or self._looked_at >= LOOKED_AT_PER_SECOND
            or len(self._waiting) >= WAITING
        )

    def _begin_second(self) -> None:
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second, self._looked_at, self._read, self._shown = second, 0, 0, 0

    def _event(self, item: Submission, *, accepted: bool) -> TailEvent:
        payload = item.payload
        return TailEvent(
            at=self._clock.time(),
            type=type_of(payload),
            tenant=item.room.tenant,
            branch=item.room.branch,
            audiences=item.audiences,
            critical=item.position is not None,
            accepted=accepted,
            event=payload[:SHOWN_BYTES].decode("utf-8", "replace"),
            position=item.position,
            size=len(payload) if len(payload) > SHOWN_BYTES else None,
        )
