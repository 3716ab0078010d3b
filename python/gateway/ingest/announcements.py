"""Announced changes of rights, heard on a Pub/Sub connection of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gateway.broker.base import Broker, PubSubBatch, PubSubMessage
from gateway.fanout.base import Occupancy
from gateway.ingest.announcements_base import AnnouncementListener, AnnouncementObserver
from gateway.ingest.interest import Interest
from gateway.ingest.linked import LinkedSubscriber
from gateway.ingest.pubsub_link import LinkOptions
from gateway.protocol.node_keys import NODES_CHANNEL
from gateway.protocol.rights import (
    REVOKED_CHANNEL,
    SECTORS_CHANNEL,
    parse_revocation,
    parse_sector_change,
)

CHANNELS = (REVOKED_CHANNEL, SECTORS_CHANNEL, NODES_CHANNEL)

_log = logging.getLogger("gateway.ingest.announcements")


class AnnouncementSubscriber(LinkedSubscriber):
    """Keeps one connection subscribed to the channels of rights and of the nodes, and passes on what it brings.

    Its own connection, so that a flood of events neither delays a revocation nor, when Redis cuts who reads too slowly,
    takes it along. By name and not by pattern: a pattern would cost every publication of every producer.

    For one event loop; not thread-safe.

    Args:
        broker: where the connection comes from.
        listener: is told.
        link: of duty `announcements`.
        observer: sees the counts.
        on_question: is given what other nodes ask; must return at once, and not raise.
    """

    def __init__(
        self,
        broker: Broker,
        listener: AnnouncementListener,
        link: LinkOptions,
        *,
        observer: AnnouncementObserver,
        on_question: Callable[[bytes], None] | None = None,
    ) -> None:
        interest = Interest()
        interest.on_occupancy(Occupancy(occupied=CHANNELS))
        super().__init__("announcements", broker, interest, link)
        self._listener = listener
        self._on_question = on_question
        self._observer = observer

    # --- LinkListener -------------------------------------------------------------------------------------------

    async def on_batch(self, batch: PubSubBatch) -> None:
        """See `LinkListener.on_batch`."""
        for message in batch.messages:
            self._hear(message)

    def on_live(self, outage: float | None) -> None:  # noqa: ARG002 - the port's; also the first time, since joins came before
        """See `LinkListener.on_live`."""
        self._listener.on_listening()

    def on_lost(self) -> None:
        """See `LinkListener.on_lost`."""
        self._observer.on_deaf()
        _log.warning("revocations and changes of sectors are not heard until Redis Pub/Sub is back; they are caught up")

    # --- messages -----------------------------------------------------------------------------------------------

    def _hear(self, message: PubSubMessage) -> None:
        if message.channel == NODES_CHANNEL:
            if self._on_question is not None:
                self._on_question(message.payload)
            return
        try:
            if message.channel == REVOKED_CHANNEL:
                self._listener.on_revoked(parse_revocation(message.payload))
                self._observer.on_announcement("revoked")
            else:
                self._listener.on_sectors(parse_sector_change(message.payload))
                self._observer.on_announcement("sectors")
        except ValueError as error:
            self._observer.on_announcement("malformed")
            _log.warning("an announcement cannot be read: %s", error, extra={"channel": message.channel})
