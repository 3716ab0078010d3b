"""Ports of the hub: what it needs of the layers beside it, and what it tells telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.fanout.base import Occupancy


class ChannelInterest(Protocol):
    """The node's Pub/Sub subscriptions; `ingest.interest.Interest` keeps it."""

    def hold(self, channels: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Keep channels subscribed inside the block, entered once the server has confirmed all of them.

        Raises:
            BrokerError: no confirmation in time.
        """
        ...

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Follow what the index says of audiences."""
        ...


class LimitObserver(Protocol):
    """Told of places and hints; `telemetry.limit_metrics` keeps it. Must not raise."""

    def on_places_renewed(self, places: int) -> None:
        """So many places are held for another lease."""
        ...

    def on_limits_put_off(self) -> None:
        """Redis took neither a renewal nor what was given up or imposed; it is tried again."""
        ...

    def on_penalty(self) -> None:
        """A user or table session is refused for a while."""
        ...

    def on_reconnect_hints(self, connections: int) -> None:
        """So many connections were told when to come back."""
        ...


class HubObserver(Protocol):
    """Told of connections; `telemetry.metrics.Metrics` keeps it. Must not raise."""

    def on_handshake(self, endpoint: str, outcome: str) -> None:
        """A handshake ended: `accepted`, or the name of the refusal."""
        ...

    def on_connected(self, endpoint: str) -> None:
        """A connection is attached."""
        ...

    def on_disconnected(self, endpoint: str, code: int) -> None:
        """A connection that was attached is gone."""
        ...

    def on_client_error(self, code: str) -> None:
        """A client's message was answered with an error."""
        ...

    def on_sector_lookup(self, outcome: str) -> None:
        """Where sectors came from: `token`, `cached`, `directory`, or `failed`."""
        ...
