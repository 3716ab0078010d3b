"""What a client may say, how often, and who answers it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from gateway.fanout.base import BroadcastObserver, FanoutLimits, MessageNotice
from gateway.fanout.connection import AsgiConnection, State
from gateway.fanout.heartbeat import HeartbeatTracker
from gateway.fanout.inbound import ClientText, Disconnected, Heartbeat, Inbound, Refused, read_message
from gateway.fanout.message import Message, control_message
from gateway.fanout.outlet import NoticeOutlet
from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.messages import pong
from gateway.types import Clock, ConnectionId

logger = logging.getLogger("gateway.fanout")


class ClientReader:
    """Reads clients for `AsgiOwner`: heartbeats are answered here, rules enforced here, all else is Python's to answer.

    One `MessageNotice` of a connection is open at a time, and until it is answered the connection is not read: the
    server then stops reading the socket, and TCP slows the client down. So a client cannot make work pile up.
    """

    def __init__(
        self,
        limits: FanoutLimits,
        heartbeat: HeartbeatTracker,
        outlet: NoticeOutlet,
        *,
        observer: BroadcastObserver,
        clock: Clock,
        pong: Callable[[AsgiConnection, Message], None],
        positions: Callable[[ConnectionId], Mapping[int, str]],
    ) -> None:
        """`pong` sends the answer to a heartbeat, `positions` gives what stands in it when the connection is live."""
        self._limits = limits
        self._heartbeat = heartbeat
        self._outlet = outlet
        self._observer = observer
        self._clock = clock
        self._pong = pong
        self._positions = positions

    async def read(self, connection: AsgiConnection) -> None:
        """Read a connection until its peer is gone, or it is closing and has said something more."""
        try:
            while True:
                inbound = await self._receive(connection)
                if isinstance(inbound, Disconnected):
                    connection.end(inbound.code)
                    return
                if connection.state is not State.OPEN:
                    return
                await self._take(connection, inbound)
        except Exception:
            logger.exception("connection %d: reading failed through a fault of ours", connection.id)
            connection.close(WSCloseCode.SERVER_ERROR)

    async def _receive(self, connection: AsgiConnection) -> Inbound:
        try:
            message = await connection.socket.receive()
        except Exception as error:  # noqa: BLE001 - servers raise errors of their own when the peer is gone
            logger.debug("connection %d: receiving failed, the peer is gone: %r", connection.id, error)
            return Disconnected(WSCloseCode.ABNORMAL)
        return read_message(message, self._limits.max_message_bytes)

    async def _take(self, connection: AsgiConnection, inbound: Refused | Heartbeat | ClientText) -> None:
        now = self._clock.monotonic()
        self._heartbeat.seen(connection.id)
        # Before all else: a message that breaks another rule has still been sent.
        if not connection.bucket.take(now):
            self._observer.on_client_message("rate_limited")
            connection.close(WSCloseCode.RATE_LIMITED)
        elif isinstance(inbound, Refused):
            connection.close(inbound.code)
        elif isinstance(inbound, Heartbeat):
            self._observer.on_client_message("ping")
            # What positions count is held while it is resuming.
            positions = self._positions(connection.id) if connection.held is None else {}
            self._pong(connection, control_message(pong(positions)))
        else:
            self._observer.on_client_message("control")
            await self._ask(connection, inbound.text)

    async def _ask(self, connection: AsgiConnection, text: str) -> None:
        """Hand a message to Python and wait for its answer."""
        # Made before the notice is given, since the answer may come as soon as the notice is delivered.
        unanswered = connection.unanswered = asyncio.get_running_loop().create_future()
        self._outlet.notice(MessageNotice(connection.id, text))
        await unanswered
