"""Both kinds of subscription of a connection that is about to be attached or moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.hub.base import ChannelInterest
from gateway.ingest.live_base import RoomInterest
from gateway.types import Room


@asynccontextmanager
async def hold_both(
    interest: ChannelInterest, channels: Sequence[str], rooms_interest: RoomInterest, rooms: Sequence[Room]
) -> AsyncIterator[None]:
    """Keep channels and rooms subscribed inside the block, entered once all are confirmed and the rooms' heads known.

    The channels are asked for before the rooms are waited for, so that the two waits are one.

    Raises:
        BrokerError: no confirmation in time. Nothing stays held then, nor after a cancellation.
    """
    with interest.asking_for(channels):
        async with rooms_interest.hold(rooms), interest.hold(channels):
            yield
