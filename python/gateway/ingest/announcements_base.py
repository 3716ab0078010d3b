"""Who is told of announced changes of rights, and who counts them."""

from __future__ import annotations

from typing import Protocol

from gateway.protocol.rights import Revocation, SectorChange


class AnnouncementListener(Protocol):
    """Told on the event loop, by the link's own task; must return at once."""

    def on_revoked(self, revocation: Revocation) -> None:
        """Somebody was revoked: a key says so."""
        ...

    def on_sectors(self, change: SectorChange) -> None:
        """A user's sectors have changed."""
        ...

    def on_listening(self) -> None:
        """From here on everything that is announced is heard; what was announced before may have been missed."""
        ...


class AnnouncementObserver(Protocol):
    """Must not block and must not raise."""

    def on_announcement(self, kind: str) -> None:
        """An announcement came: `revoked`, `sectors`, or `malformed`."""
        ...

    def on_deaf(self) -> None:
        """The connection was lost: what is announced until it is back is made up for then."""
        ...
