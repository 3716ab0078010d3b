"""ConnectionManager: a connection from its accepted handshake to its end."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from gateway.errors import (
    AbuseError,
    BrokerError,
    ConnectionGoneError,
    ForbiddenError,
    GatewayError,
    KeysAwayError,
    LimitError,
    ResumeError,
    StoppingError,
    TenantBusyError,
    TokenError,
    TooManyResumesError,
)
from gateway.fanout.base import (
    AsgiSocket,
    ClosedNotice,
    DetachableSocket,
    DueNotice,
    Fanout,
    MessageNotice,
    Notice,
    Occupancy,
    PageNotice,
)
from gateway.hub.admission import Admission
from gateway.hub.authenticator import Authenticator
from gateway.hub.base import ChannelInterest, HubObserver
from gateway.hub.holding import hold_both
from gateway.hub.label import Label
from gateway.hub.penalties import Penalties
from gateway.hub.places import Place, Places
from gateway.hub.profiles import EndpointProfile, channels_of
from gateway.hub.refresh import ConnectionRefresh, RefreshGuard, positions_of
from gateway.hub.revalidation import Revalidation
from gateway.hub.rights import Rights
from gateway.hub.sectors import CachedSectorDirectory
from gateway.hub.slow_clients import SlowClient, SlowClients
from gateway.ingest.live_base import RoomInterest
from gateway.ingest.resume_base import Resumption
from gateway.protocol import messages
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.messages import BareRefreshSectors, ErrorCode, Ping, RefreshSectors, RefreshToken
from gateway.protocol.resume import parse_resume
from gateway.telemetry.logging import get_logger
from gateway.types import Clock, ConnectionId

JOIN_SECONDS = 10.0
"""From the accepted handshake to the welcome. Redis' own time-outs are shorter; this bounds their sum."""

REFUSALS: dict[type[Exception], tuple[WSCloseCode, str]] = {
    TokenError: (WSCloseCode.AUTH_FAILED, "auth_failed"),
    ForbiddenError: (WSCloseCode.FORBIDDEN, "forbidden"),
    AbuseError: (WSCloseCode.RATE_LIMITED, "penalised"),  # in front of what it is a kind of
    LimitError: (WSCloseCode.RATE_LIMITED, "too_many_connections"),
    ResumeError: (WSCloseCode.POLICY_VIOLATION, "bad_resume"),
    TenantBusyError: (WSCloseCode.SERVER_OVERLOADED, "tenant_busy"),
    BrokerError: (WSCloseCode.SERVER_OVERLOADED, "redis_away"),
    TooManyResumesError: (WSCloseCode.SERVER_OVERLOADED, "too_many_resumes"),
    StoppingError: (WSCloseCode.GOING_AWAY, "draining"),
    KeysAwayError: (WSCloseCode.SERVER_OVERLOADED, "keys_away"),
    TimeoutError: (WSCloseCode.SERVER_OVERLOADED, "timed_out"),
}
"""Why a connection is refused after its handshake: close code, and the outcome in metrics and logs."""

_log = get_logger("gateway.hub")


class RefusedError(GatewayError):
    """A handshake that was accepted only so that a browser can read why it is closed; `code` is the close code."""

    def __init__(self, code: WSCloseCode, outcome: str) -> None:
        super().__init__(outcome)
        self.code = code
        self.outcome = outcome


class ConnectionManager:
    """Admits connections, answers their messages and notices their end. For one event loop.

    It keeps nothing per connection: who is behind one, and where it belongs, is asked of the core.

    Attributes:
        node: this node's name, drawn at start.
        slow_clients: who was closed for reading too slowly.
    """

    def __init__(
        self,
        fanout: Fanout,
        *,
        admission: Admission,
        places: Places,
        penalties: Penalties,
        authenticator: Authenticator,
        sectors: CachedSectorDirectory,
        interest: ChannelInterest,
        rooms: RoomInterest,
        resumption: Resumption,
        refresh: ConnectionRefresh,
        rights: Rights,
        revalidation: Revalidation,
        observer: HubObserver,
        clock: Clock,
        heartbeat: float,
    ) -> None:
        """`heartbeat`: seconds between the pings that a client is asked to send."""
        self._fanout = fanout
        self._admission = admission
        self._places = places
        self._penalties = penalties
        self._authenticator = authenticator
        self._sectors = sectors
        self._interest = interest
        self._rooms = rooms
        self._resumption = resumption
        self._observer = observer
        self._clock = clock
        self._heartbeat = heartbeat
        self.node = secrets.token_hex(4)
        self.slow_clients = SlowClients()
        self._guard = RefreshGuard(clock)
        self._refresh = refresh
        self._rights = rights
        self._revalidation = revalidation
        self._answers: set[asyncio.Task[None]] = set()

    async def join(
        self,
        profile: EndpointProfile,
        token: str,
        socket: AsgiSocket | DetachableSocket,
        resume: Sequence[str] = (),
    ) -> ConnectionId:
        """Check everything, and hand the accepted socket to the core.

        Args:
            profile: of the endpoint.
            token: as the client sent it.
            socket: accepted.
            resume: the values of the query parameter of that name.

        Raises:
            RefusedError: with the close code that says why.
        """
        try:
            async with asyncio.timeout(JOIN_SECONDS), self._places.place() as place:
                return await self._join(profile, token, socket, resume, place)
        except tuple(REFUSALS) as error:
            code, outcome = next(answer for kind, answer in REFUSALS.items() if isinstance(error, kind))
            self._observer.on_handshake(profile.name, outcome)
            _log.info("refused", endpoint=profile.name, outcome=outcome, code=int(code), why=str(error))
            raise RefusedError(code, outcome) from error

    async def _join(
        self,
        profile: EndpointProfile,
        token: str,
        socket: AsgiSocket | DetachableSocket,
        resume: Sequence[str],
        place: Place,
    ) -> ConnectionId:
        asked = parse_resume(resume)
        identity = await self._authenticator.authenticate(profile, token, place.check)
        memberships = profile.memberships(identity, await self._sectors.of_identity(profile, identity))
        rooms = [membership.room for membership in memberships]
        async with (
            hold_both(self._interest, channels_of(memberships), self._rooms, rooms),
            self._resumption.prepare(memberships, asked) as resuming,
        ):
            # From here to `attach` nothing awaits: two joins cannot both take the last place, and everything behind
            # these positions reaches the connection.
            self._admission.check(identity)
            positions = positions_of(self._rooms, rooms)
            connection = self._fanout.attach(
                socket,
                memberships,
                self._rights.grant(profile, identity, int(self._clock.time()), place.number),
                lambda connection: messages.welcome(
                    self.connection_name(connection),
                    self._heartbeat,
                    {**positions, **resuming.positions},
                    resuming.resumed if asked else None,
                ),
                positions,
                resuming=resuming.needs_pages,
            )
            place.keep()
            resuming.begin(connection)
        self._observer.on_handshake(profile.name, "accepted")
        self._observer.on_connected(profile.name, identity.tenant)
        _log.info(
            "connected",
            endpoint=profile.name,
            connection=self.connection_name(connection),
            tenant=identity.tenant,
            subject=identity.keys[0],
            branches=identity.branches,
        )
        return connection

    def connection_name(self, connection: ConnectionId) -> str:
        """The connection's name in `welcome`, logs and tools: unique over nodes."""
        return f"{self.node}-{connection}"

    # --- FanoutListener ------------------------------------------------------------------------------------

    def on_occupancy(self, occupancy: Occupancy) -> None:
        """Both kinds of subscription follow the index."""
        self._interest.on_occupancy(occupancy)
        self._rooms.on_rooms(occupancy.rooms_occupied, occupancy.rooms_vacated)

    def on_notices(self, notices: Sequence[Notice]) -> None:
        """See `FanoutListener.on_notices`."""
        for notice in notices:
            match notice:
                case ClosedNotice():
                    self._on_closed(notice)
                case MessageNotice():
                    self._on_message(notice)
                case PageNotice():
                    self._resumption.on_page(notice.connection)
                case DueNotice():
                    self._revalidation.on_due(notice.connections)

    def _on_closed(self, notice: ClosedNotice) -> None:
        self._resumption.on_closed(notice.connection)
        if not notice.identity.label:
            return  # attached by somebody else than the hub, who shares its core
        label = Label.decode(notice.identity.label)
        self._places.on_closed(notice.identity, label.place)
        if notice.code == WSCloseCode.RATE_LIMITED:
            self._penalties.impose(notice.identity.tenant, notice.identity.keys[0])
        self._observer.on_disconnected(label.endpoint, notice.identity.tenant, notice.code)
        name, tenant, subject = self.connection_name(notice.connection), notice.identity.tenant, notice.identity.keys[0]
        now = self._clock.time()
        seconds = int(now) - label.since
        if notice.code == WSCloseCode.SERVER_OVERLOADED:
            self.slow_clients.add(SlowClient(now, name, tenant, subject, label.endpoint, seconds))
        _log.info(
            "disconnected",
            endpoint=label.endpoint,
            connection=name,
            tenant=tenant,
            subject=subject,
            code=notice.code,
            seconds=seconds,
        )

    def _on_message(self, notice: MessageNotice) -> None:
        message = messages.parse_client_message(notice.text)
        match message:
            case RefreshToken() | RefreshSectors() | BareRefreshSectors():
                if not self._guard.allow(notice.connection):
                    self._answer(notice.connection, ErrorCode.TOO_SOON)
                    return
                # One per connection at most, since the core does not read on before the answer.
                task = asyncio.create_task(self._do(notice.connection, message))
                self._answers.add(task)
                task.add_done_callback(self._answers.discard)
            case ErrorCode():
                self._answer(notice.connection, message)
            case Ping():
                # Never told, since its owner answers heartbeats (`is_ping`); if it were, the client must be read on.
                self._fanout.answer(notice.connection, None)

    async def _do(self, connection: ConnectionId, message: RefreshToken | RefreshSectors | BareRefreshSectors) -> None:
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                if isinstance(message, RefreshToken):
                    answer = await self._refresh.token(connection, message.token)
                else:
                    bare = isinstance(message, BareRefreshSectors)
                    answer = await self._refresh.sectors(connection, bare=bare)
        except ConnectionGoneError:
            return
        except ForbiddenError as error:
            _log.info("refresh refused", connection=self.connection_name(connection), why=str(error))
            self._fanout.close(connection, WSCloseCode.FORBIDDEN)
        except TimeoutError:
            self._answer(connection, ErrorCode.TOO_SOON)
        except Exception:  # noqa: BLE001 - logged in full below; one connection must not end others
            _log.exception("refresh failed", connection=self.connection_name(connection))
            self._fanout.close(connection, WSCloseCode.SERVER_ERROR)
        else:
            self._answer(connection, answer)

    def _answer(self, connection: ConnectionId, answer: str | ErrorCode) -> None:
        if isinstance(answer, ErrorCode):
            self._observer.on_client_error(answer)
            answer = messages.error(answer)
        self._fanout.answer(connection, answer)

    async def stop(self) -> None:
        """End what is being answered; the connections themselves are the core's to close."""
        for task in self._answers:
            task.cancel()
        await asyncio.gather(*self._answers, return_exceptions=True)
