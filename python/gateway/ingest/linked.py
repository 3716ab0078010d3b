"""What the three subscribers are alike in: each has one link, lives as long as it, and hears what it brings."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gateway.broker.base import Broker, PubSubBatch
from gateway.ingest.interest import Interest
from gateway.ingest.pubsub_link import LinkOptions, PubSubLink


class LinkedSubscriber(ABC):
    """Keeps `LinkListener`, but for what comes. For one event loop; not thread-safe."""

    def __init__(self, name: str, broker: Broker, interest: Interest, options: LinkOptions) -> None:
        """See `PubSubLink`, whose listener this is."""
        self._link = PubSubLink(name, broker, interest, self, options)

    @property
    def live(self) -> bool:
        """Whether the connection stands and Redis has answered on it; for readiness."""
        return self._link.live

    async def start(self) -> None:
        """See `PubSubLink.start`."""
        await self._link.start()

    async def wait_live(self) -> None:
        """See `PubSubLink.wait_live`."""
        await self._link.wait_live()

    async def stop(self, timeout: float = 5.0) -> None:
        """End the connection, waiting for at most `timeout` seconds; what was read has been passed on."""
        await self._link.stop(timeout)

    @abstractmethod
    async def on_batch(self, batch: PubSubBatch) -> None:
        """See `LinkListener.on_batch`."""

    @abstractmethod
    def on_live(self, outage: float | None) -> None:
        """See `LinkListener.on_live`."""

    @abstractmethod
    def on_lost(self) -> None:
        """See `LinkListener.on_lost`."""
