"""The port through which metrics see ingest; the composition root implements it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class IngestObserver(Protocol):
    """Called on the event loop, once per batch and kind; must not block and must not raise."""

    def on_received(self, source: str, events: int) -> None:
        """So many events came by this way in (`pubsub`), whatever becomes of them."""
        ...

    def on_dropped(self, reason: str, events: int) -> None:
        """So many events were not delivered, for a reason of `protocol.events.DropReason`."""
        ...

    def on_submitted(self, events: int) -> None:
        """So many events were handed to the fan-out core, which took them."""
        ...

    def on_tenants(self, events: Mapping[int, int], dropped: Mapping[int, int]) -> None:
        """So many good events came of each tenant, and so many of them were dropped: by its rate, or `queue_full`."""
        ...

    def on_interruption(self) -> None:
        """A live Pub/Sub connection was lost: one loss of unknown size."""
        ...

    def on_reconnected(self, seconds: float) -> None:
        """All subscriptions stand again, so many seconds after the connection was lost."""
        ...
