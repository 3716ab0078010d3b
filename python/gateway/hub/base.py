"""Ports of the hub: what it needs of the layers beside it, and what it tells telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from gateway.fanout.base import Occupancy


class ChannelInterest(Protocol):
    """The node's Pub/Sub subscriptions; `ingest.interest.Interest` keeps it."""

    def asking_for(self, channels: Sequence[str]) -> AbstractContextManager[None]:
        """Ask for the subscription of channels without waiting, and keep it inside the block.

        For who waits for something else first: both waits are one then.
        """
        ...

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

    def on_places_freed(self, places: int) -> None:
        """So many places were given up because the nodes that held them are dead."""
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

    def on_connected(self, endpoint: str, tenant: int) -> None:
        """A connection is attached."""
        ...

    def on_disconnected(self, endpoint: str, tenant: int, code: int) -> None:
        """A connection that was attached is gone."""
        ...

    def on_client_error(self, code: str) -> None:
        """A client's message was answered with an error."""
        ...

    def on_sector_lookup(self, outcome: str) -> None:
        """Where sectors came from: `token`, `cached`, `directory`, or `failed`."""
        ...


class RightsObserver(Protocol):
    """Told of revalidations, revocations and changed sectors; `telemetry.rights_metrics` keeps it. Must not raise."""

    def on_revalidated(self, outcome: str, connections: int) -> None:
        """So many connections were checked again: `passed`, `revoked`, or `put_off` since Redis could not be asked."""
        ...

    def on_sweep(self) -> None:
        """All connections are being checked, since announcements may have been missed."""
        ...

    def on_revocation(self, scope: str, closed: int, seconds: float | None) -> None:
        """An announced revocation of a `token`, `user`, `session` or `tenant` was carried out.

        `seconds` have passed from the request, as its key says, to the last close; None where its key says no time.
        """
        ...

    def on_idle_announcement(self) -> None:
        """A revocation was announced that no key confirms; it closed nobody."""
        ...

    def on_sectors_changed(self, connections: int) -> None:
        """So many connections got other sectors because a change was announced."""
        ...
