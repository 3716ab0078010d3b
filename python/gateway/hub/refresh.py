"""What a live connection may ask of Python: its sectors anew, and a new token in place of the old one."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.auth.identity import Identity
from gateway.errors import BrokerError, ForbiddenError, TokenError
from gateway.fanout.base import ConnectionIdentity, ConnectionInfo, Fanout
from gateway.hub.authenticator import Authenticator
from gateway.hub.base import ChannelInterest
from gateway.hub.label import Label
from gateway.hub.profiles import channels_of
from gateway.hub.sectors import CachedSectorDirectory
from gateway.ingest.live_base import RoomInterest
from gateway.protocol import messages
from gateway.protocol.audiences import AudienceKind, parse_channel
from gateway.protocol.messages import ErrorCode
from gateway.types import Clock, ConnectionId, Room

REFRESH_SECONDS = 10.0
"""At most one refresh of a connection in so many seconds: each may cost a question to Redis."""


class RefreshGuard:
    """Allows a connection one refresh per `REFRESH_SECONDS`. For one event loop.

    It remembers only connections that refreshed lately, in the order in which they did, and forgets the others on
    the way: nothing is kept for a connection that never refreshes.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[ConnectionId, float] = {}

    def allow(self, connection: ConnectionId) -> bool:
        """Whether this connection may refresh now; if so, it has."""
        now = self._clock.monotonic()
        while self._last and next(iter(self._last.values())) <= now - REFRESH_SECONDS:
            del self._last[next(iter(self._last))]
        if connection in self._last:
            return False
        self._last[connection] = now
        return True


class ConnectionRefresh:
    """Carries both refreshes out. For one event loop.

    A refresh changes rooms and audiences in one step (`Fanout.move`), and its answer is put into the outbox after it:
    nothing that only the old rights allowed arrives after the answer.
    """

    def __init__(
        self,
        fanout: Fanout,
        authenticator: Authenticator,
        sectors: CachedSectorDirectory,
        interest: ChannelInterest,
        rooms: RoomInterest,
    ) -> None:
        self._fanout = fanout
        self._authenticator = authenticator
        self._sectors = sectors
        self._interest = interest
        self._rooms = rooms

    async def sectors(self, connection: ConnectionId, *, bare: bool) -> str | ErrorCode:
        """Ask for the sectors anew, and move the connection into their audiences.

        Returns:
            the answer for the client, or why there is none.

        Raises:
            ConnectionGoneError: it left meanwhile.
        """
        info = self._fanout.info(connection)
        label = Label.decode(info.identity.label)
        if not label.profile.sectors:
            return ErrorCode.UNKNOWN_TYPE
        if label.sectors_from_token:
            # The token's claim stands until the token is replaced: asking anew cannot change it.
            return messages.sectors_updated(_sectors_of(info), bare=bare)
        try:
            sectors = await self._sectors.refresh(info.identity.tenant, _subject_of(info))
            memberships = tuple(
                room._replace(
                    audiences=(
                        *(name for name in room.audiences if not _is_sector(name)),
                        *(AudienceKind.SECTOR.of(sector) for sector in sectors),
                    )
                )
                for room in info.memberships
            )
            async with self._interest.hold(channels_of(memberships)):
                self._fanout.move(connection, memberships)  # its rooms stay, so they need no hold
        except BrokerError:
            return ErrorCode.TOO_SOON
        return messages.sectors_updated(sectors, bare=bare)

    async def token(self, connection: ConnectionId, token: str) -> str | ErrorCode:
        """Put a new token of the same subject and tenant in the old one's place.

        Returns:
            the answer for the client, or why there is none.

        Raises:
            ForbiddenError: it is somebody else's, or admits no longer to this endpoint (4003).
            ConnectionGoneError: it left meanwhile.
        """
        info = self._fanout.info(connection)
        label = Label.decode(info.identity.label)
        try:
            identity = await self._authenticator.authenticate(label.profile, token)
            if identity.tenant != info.identity.tenant or identity.keys[0] != info.identity.keys[0]:
                raise ForbiddenError("the new token belongs to another subject or tenant")
            sectors = await self._sectors.of_identity(label.profile, identity)
            memberships = label.profile.memberships(identity, sectors)
            rooms = [membership.room for membership in memberships]
            async with self._interest.hold(channels_of(memberships)), self._rooms.hold(rooms):
                self._fanout.move(connection, memberships, positions_of(self._rooms, rooms))
                renewed = Label(label.endpoint, identity.sectors is not None, label.since, label.place)
                self._fanout.set_identity(connection, core_identity(identity, renewed))
        except BrokerError:
            return ErrorCode.TOO_SOON
        except TokenError:
            return ErrorCode.BAD_TOKEN
        return messages.token_refreshed(identity.expires_at)


def positions_of(interest: RoomInterest, rooms: Iterable[Room]) -> dict[int, str]:
    """Branch to the position up to which its events have been submitted, of rooms that are held."""
    return {room.branch: position for room in rooms if (position := interest.position(room)) is not None}


def core_identity(identity: Identity, label: Label) -> ConnectionIdentity:
    """What the core is to know of who is behind a connection."""
    return ConnectionIdentity(identity.tenant, identity.keys, identity.expires_at, label.encode())


def _subject_of(info: ConnectionInfo) -> str:
    # The first key is always the subject's: `user:12`, `session:77` (auth.identity.Identity.keys).
    return info.identity.keys[0].partition(":")[2]


def _is_sector(audience: str) -> bool:
    channel = parse_channel(audience)
    return channel is not None and channel.kind is AudienceKind.SECTOR


def _sectors_of(info: ConnectionInfo) -> list[int]:
    channels = (parse_channel(name) for name in info.memberships[0].audiences)
    return [channel.number for channel in channels if channel is not None and channel.kind is AudienceKind.SECTOR]
