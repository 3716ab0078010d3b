"""The restaurant's back end: tells the gateway what happens, as any back end would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from gateway.broker.failures import LIBRARY_ERRORS, broker_error
from gateway.endpoints.demo.act import CRITICAL, Act, event
from gateway.endpoints.demo.restaurant import ROOM
from gateway.errors import GatewayError
from gateway.protocol.audiences import AudienceKind
from gateway.types import Clock

FLOOD_TYPE: Final = "ENTITY_UPDATED"
"""Reaches managers and admins alone."""

_PADDING: Final = "a line of an article that somebody has edited; " * 4


class Publisher(Protocol):
    """`gateway.client.AsyncPublisher`, as far as it is used here."""

    async def publish(self, channel: str, event: dict[str, object]) -> int:
        """See `AsyncPublisher.publish`."""
        ...

    async def emit(self, event: dict[str, object], key: str | None = None) -> str:
        """See `AsyncPublisher.emit`."""
        ...


class FloodingError(GatewayError):
    """A flood is under way already."""


class BackEnd:
    """Keeps nothing: what has happened is in the room's history, from where everybody reads it. For one event loop.

    Args:
        publisher: how events get to the gateway; the caller closes it.
        where: the redacted URL of Redis, for errors.
        clock: what tells the time.
    """

    def __init__(self, publisher: Publisher, where: str, clock: Clock) -> None:
        self._publisher = publisher
        self._where = where
        self._clock = clock
        self._flooding = False

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self._clock.time() * 1000)

    async def seat(self, table: int) -> int:
        """A party sits down; its table session.

        Raises:
            BrokerError: Redis is away or refuses.
        """
        now = self.now()
        # An id that no earlier party had, without a counter that somebody would have to keep.
        session = now
        with self._errors():
            await self._publisher.emit(event("TABLE_SESSION_STARTED", table, session, now))
        return session

    async def act(self, act: Act) -> str | None:
        """Tell of an action; the id of a critical event, None for a best-effort one.

        Raises:
            EventRefusedError: the routing table of this deployment does not know the event, or gives it to nobody.
            BrokerError: Redis is away or refuses.
        """
        with self._errors():
            if act.action in CRITICAL:
                return await self._publisher.emit(act.event(self.now()), act.key)
            await self._publisher.publish(act.channel, act.event(self.now()))
            return None

    async def flood(self, events: int) -> None:
        """Publish so many best-effort events to the managers, as fast as it goes.

        Raises:
            FloodingError: one is under way.
            BrokerError: Redis is away or refuses; some may have been published.
        """
        if self._flooding:
            raise FloodingError("a flood is under way; wait until it is over")
        self._flooding = True
        channel = AudienceKind.ADMIN.of(ROOM.branch)
        try:
            with self._errors():
                for number in range(1, events + 1):
                    await self._publisher.publish(
                        channel,
                        {
                            "type": FLOOD_TYPE,
                            "tenant_id": ROOM.tenant,
                            "branch_id": ROOM.branch,
                            "at": self.now(),
                            "flood": number,
                            "of": events,
                            "text": _PADDING,
                        },
                    )
        finally:
            self._flooding = False

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LIBRARY_ERRORS as error:
            raise broker_error(self._where, error) from error
