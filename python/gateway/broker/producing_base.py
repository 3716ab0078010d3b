"""The port by which the gateway itself produces: events, critical events and revocations that came by the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from gateway.protocol.rights import Revocation


class Publication(NamedTuple):
    """One best-effort event. `sharded` says that the channel is a room's live channel."""

    channel: str
    payload: bytes
    sharded: bool = False


class Emission(NamedTuple):
    """One critical event; `key` is its idempotency key, None for none."""

    payload: bytes
    key: str | None = None


class Producing(Protocol):
    """For one event loop.

    Every method raises `errors.BrokerError` when the server is away, refuses, or does not answer in time, and
    `errors.BrokerFullError` when it has no memory left; what was asked for may have been done in part.
    """

    async def publish(self, publications: Sequence[Publication]) -> list[int]:
        """Publish, in this order; how many subscriptions heard each, in a cluster those of one server."""
        ...

    async def emit(self, emissions: Sequence[Emission]) -> list[str]:
        """Add to the stream, in this order; the entries' ids, of a repeated key that of the first time.

        Raises:
            ValueError: a key is empty or too long; nothing was sent.
        """
        ...

    async def revoke(self, revocation: Revocation, at: float) -> tuple[float, int]:
        """Write a revocation and announce it: up to when tokens are refused, and how many nodes heard it."""
        ...
