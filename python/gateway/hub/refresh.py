"""What a live connection may get anew: its sectors, and a new token in place of the old one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from gateway.errors import BrokerError, ConnectionGoneError, ForbiddenError, KeysAwayError, TokenError
from gateway.fanout.base import ConnectionInfo, Fanout, Membership
from gateway.hub.authenticator import Authenticator
from gateway.hub.base import ChannelInterest
from gateway.hub.holding import hold_both
from gateway.hub.label import Label
from gateway.hub.profiles import channels_of
from gateway.hub.rights import Rights
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
    """Carries refreshes out, those that a client asks for and those that are announced. For one event loop.

    A refresh changes rooms and audiences in one step (`Fanout.move`), and its answer is put into the outbox after it:
    nothing that only the old rights allowed arrives after the answer.
    """

    def __init__(
        self,
        fanout: Fanout,
        authenticator: Authenticator,
        sectors: CachedSectorDirectory,
        *,
        interest: ChannelInterest,
        rooms: RoomInterest,
        rights: Rights,
    ) -> None:
        self._fanout = fanout
        self._authenticator = authenticator
        self._sectors = sectors
        self._interest = interest
        self._rooms = rooms
        self._rights = rights

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
        # The token's claim stands until the token is replaced: asking anew cannot change it.
        if not label.sectors_from_token:
            try:
                await self._sectors.refresh(info.identity.tenant, subject_of(info))
                await self._follow_directory(connection)
            except BrokerError:
                return ErrorCode.TOO_SOON
        return messages.sectors_updated(_sectors_of(self._fanout.info(connection)), bare=bare)

    async def user(self, tenant: int, user: str) -> int:
        """Ask for a user's sectors anew, and move all their connections that follow the directory, and tell them.

        Returns:
            how many connections have other sectors now.

        Raises:
            BrokerError: the directory cannot be asked, or a subscription was not confirmed. Nobody has kept a sector
                that is known to be lost; ask again.
        """
        found = [connection for connection in self._fanout.find(tenant, f"user:{user}") if self._follows(connection)]
        if not found:
            return 0
        await self._sectors.refresh(tenant, user)
        # Side by side: none keeps a lost sector because another waits for a subscription.
        outcomes = await asyncio.gather(*map(self._follow_and_tell, found), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return outcomes.count(True)

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
            async with hold_both(self._interest, channels_of(memberships), self._rooms, rooms):
                granted = self._rights.grant(label.profile, identity, label.since, label.place)
                self._fanout.move(connection, memberships, positions_of(self._rooms, rooms))
                self._fanout.set_identity(connection, granted)
        except (BrokerError, KeysAwayError):
            return ErrorCode.TOO_SOON
        except TokenError:
            return ErrorCode.BAD_TOKEN
        return messages.token_refreshed(identity.expires_at)

    async def _follow_and_tell(self, connection: ConnectionId) -> bool:
        try:
            if not await self._follow_directory(connection):
                return False
            answer = messages.sectors_updated(_sectors_of(self._fanout.info(connection)), bare=False)
            return self._fanout.send(connection, answer)
        except ConnectionGoneError:
            return False

    def _follows(self, connection: ConnectionId) -> bool:
        try:
            return follows_directory(self._fanout.info(connection))
        except ConnectionGoneError:
            return False

    async def _follow_directory(self, connection: ConnectionId) -> bool:
        """Move a connection into the audiences of the sectors that are remembered; whether that changed anything.

        Raises:
            ConnectionGoneError: it left meanwhile.
            BrokerError: a subscription was not confirmed; what is lost is left all the same.
        """
        while True:
            info = self._fanout.info(connection)
            if (wanted := self._wanted(info)) == info.memberships:
                return False
            try:
                async with self._interest.hold(channels_of(wanted)):
                    # Looked at again after the wait: the token may have been refreshed, or the sectors changed again.
                    if self._wanted(self._fanout.info(connection)) == wanted:
                        self._fanout.move(connection, wanted)  # its rooms stay, so they need no hold
                        return True
            except BrokerError:
                self._leave_lost(connection)
                raise

    def _leave_lost(self, connection: ConnectionId) -> None:
        """Leave the sectors that are lost: that needs no subscription, and must not wait for one."""
        info = self._fanout.info(connection)
        kept = tuple(
            old._replace(audiences=tuple(name for name in old.audiences if name in set(new.audiences)))
            for old, new in zip(info.memberships, self._wanted(info), strict=True)
        )
        self._fanout.move(connection, kept)

    def _wanted(self, info: ConnectionInfo) -> tuple[Membership, ...]:
        """The memberships that a connection should have; those that it has where nothing is known."""
        sectors = self._sectors.remembered(info.identity.tenant, subject_of(info))
        if sectors is None or not follows_directory(info):
            return info.memberships
        return _with_sectors(info.memberships, sectors)


def follows_directory(info: ConnectionInfo) -> bool:
    """Whether a connection's sectors are those of the directory, and not its token's, nor none at all."""
    if not info.identity.label:
        return False
    label = Label.decode(info.identity.label)
    return label.profile.sectors and not label.sectors_from_token


def subject_of(info: ConnectionInfo) -> str:
    """The id of the user, or of the table session, behind a connection."""
    # The first key is always the subject's: `user:12`, `session:77` (auth.identity.Identity.keys).
    return info.identity.keys[0].partition(":")[2]


def positions_of(interest: RoomInterest, rooms: Iterable[Room]) -> dict[int, str]:
    """Branch to the position up to which its events have been submitted, of rooms that are held."""
    return {room.branch: position for room in rooms if (position := interest.position(room)) is not None}


def _with_sectors(memberships: Sequence[Membership], sectors: Sequence[int]) -> tuple[Membership, ...]:
    names = tuple(AudienceKind.SECTOR.of(sector) for sector in sectors)
    return tuple(
        room._replace(audiences=(*(name for name in room.audiences if not _is_sector(name)), *names))
        for room in memberships
    )


def _is_sector(audience: str) -> bool:
    channel = parse_channel(audience)
    return channel is not None and channel.kind is AudienceKind.SECTOR


def _sectors_of(info: ConnectionInfo) -> list[int]:
    channels = (parse_channel(name) for name in info.memberships[0].audiences)
    return [channel.number for channel in channels if channel is not None and channel.kind is AudienceKind.SECTOR]
