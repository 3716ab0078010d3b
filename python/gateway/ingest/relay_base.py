"""The relay's numbers, and the port through which metrics see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

BATCH_EVENTS = 500
"""Most entries of one read. Spread over a hundred rooms they are five to a script, which is what its call is paid for
with; all in one room they keep Redis for some three milliseconds."""


@dataclass(frozen=True, slots=True)
class RelayNumbers:
    """The numbers that a relay holds to.

    Attributes:
        lease: seconds after which a relay that fell silent has lost its lease; other adapters must be given the same.
        history_events: cap of a room's history. A batch is at most half of it, so that what is pending is still held.
        tries: how many times an entry is tried alone before it goes to the dead-letter queue.
        refeed: seconds of the source that are fed again at take-over.
        keep: seconds that the source keeps what was relayed.
        trim_every: seconds between two trims.
        from_start: whether a group that never existed begins at the start of the stream, instead of its end.
    """

    lease: float = 10.0
    history_events: int = 1_000
    tries: int = 3
    refeed: float = 60.0
    keep: float = 3_600.0
    trim_every: float = 10.0
    from_start: bool = False

    @property
    def batch(self) -> int:
        """Entries of one read."""
        return max(1, min(BATCH_EVENTS, self.history_events // 2))


class RelayObserver(Protocol):
    """Called on the event loop, once per batch; must not block and must not raise."""

    def on_lease(self, *, held: bool) -> None:
        """This node became the active relay, or is it no longer."""
        ...

    def on_relayed(self, added: int, repeats: int) -> None:
        """Entries were written to their rooms, and found there already."""
        ...

    def on_refed(self, entries: int, added: int) -> None:
        """So many entries were fed again at take-over, and so many of them were missing in their rooms."""
        ...

    def on_history_begun(self, times: int) -> None:
        """So many times the history of a room was begun again; whoever has read of it is told of a gap."""
        ...

    def on_dead_letter(self, reason: str, entries: int) -> None:
        """Entries went to the dead-letter queue."""
        ...

    def on_lost_at_source(self, entries: int) -> None:
        """Entries vanished from the source before they were relayed: a producer trims it."""
        ...

    def on_lag(self, entries: int | None) -> None:
        """So many entries wait in the source; None when Redis cannot tell."""
        ...


class NullRelayObserver:
    """Observes nothing."""

    def on_lease(self, *, held: bool) -> None:
        """See `RelayObserver`."""

    def on_relayed(self, added: int, repeats: int) -> None:
        """See `RelayObserver`."""

    def on_refed(self, entries: int, added: int) -> None:
        """See `RelayObserver`."""

    def on_history_begun(self, times: int) -> None:
        """See `RelayObserver`."""

    def on_dead_letter(self, reason: str, entries: int) -> None:
        """See `RelayObserver`."""

    def on_lost_at_source(self, entries: int) -> None:
        """See `RelayObserver`."""

    def on_lag(self, entries: int | None) -> None:
        """See `RelayObserver`."""
