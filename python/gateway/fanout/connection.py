"""The life of one ASGI connection: its outbox, the task that empties it, and how it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from gateway.fanout.base import AsgiSocket, ConnectionIdentity
from gateway.fanout.message import Close, Message
from gateway.fanout.outbox import Outbox
from gateway.fanout.rate_limit import TokenBucket
from gateway.protocol.close_codes import WSCloseCode, reason_phrase
from gateway.types import ConnectionId

_BURST = 256
"""Sends in a row before the others have their turn. A server whose buffers take everything never makes `send` wait,
and a client that catches up on a full outbox would hold the loop for tens of milliseconds. Not less than a broadcast
worker passes in a turn, or a client that reads would fall behind."""

logger = logging.getLogger("gateway.fanout")


class State(Enum):
    """Where a connection is in its life; it only moves down this table."""

    OPEN = "open"  # in the core; read, and written to
    CLOSING = "closing"  # has left the core; its outbox ends with a close, which is on its way out
    ENDED = "ended"  # its end was told; nothing refers to it but tasks that are about to end


class ConnectionKeeper(Protocol):
    """Who is told of a connection's steps: of the two of its end, each exactly once and in this order."""

    def on_page_taken(self, connection: AsgiConnection) -> None:
        """It is resuming, and has taken all that it was given; once for each page that was not the last."""
        ...

    def on_closing(self, connection: AsgiConnection) -> None:
        """It is no longer open: nothing new is for it. Left out by none, not even by one that was cut off."""
        ...

    def on_ended(self, connection: AsgiConnection) -> None:
        """It has ended; `connection.code` is final."""
        ...


class AsgiConnection:
    """One connection. Event loop only. An idle one has no task but its reader, and no queue.

    Attributes:
        code: the close code that is to be sent, then the one it ended with.
        held: what is for it since it came, while it is resuming; None when it is live.
        is_taking: it was given a page that was not the last, and has yet to take it.
        moved: the owner's count of moves at this connection's last one; see `AsgiOwner.moved_since`.
        unanswered: resolved by the answer to the open `MessageNotice`; None when there is none.
    """

    __slots__ = (
        "_ended",
        "_keeper",
        "_writer",
        "bucket",
        "code",
        "held",
        "id",
        "identity",
        "is_taking",
        "moved",
        "outbox",
        "socket",
        "state",
        "unanswered",
    )

    def __init__(
        self,
        connection: ConnectionId,
        socket: AsgiSocket,
        identity: ConnectionIdentity,
        outbox: Outbox,
        bucket: TokenBucket,
        *,
        keeper: ConnectionKeeper,
        held: Outbox | None = None,
    ) -> None:
        self.id = connection
        self.socket = socket
        self.identity = identity
        self.outbox = outbox
        self.bucket = bucket
        self.held = held
        self.is_taking = False
        self.state = State.OPEN
        self.code = int(WSCloseCode.ABNORMAL)
        self.moved = 0
        self.unanswered: asyncio.Future[None] | None = None
        self._keeper = keeper
        self._ended: asyncio.Future[int] | None = None  # made by `serve`
        self._writer: asyncio.Task[None] | None = None  # there while something is being written

    @property
    def waiting(self) -> int:
        """Bytes that wait for it, held ones too."""
        return self.outbox.used + (0 if self.held is None else self.held.used)

    @property
    def is_busy(self) -> bool:
        """Whether what is pushed now waits behind something, or until the connection is live."""
        return self._writer is not None or self.held is not None

    def push(self, message: Message) -> int | None:
        """Put a message behind all that is for the connection, see `Outbox.push`. Never waits. It must be open.

        While it is resuming, that is behind what is held. What is held and what is being handed over are one to the
        limit, since both are kept for this client. Only in what is held there are events that may be dropped, so they
        make room for either.
        """
        if self.held is not None:
            return self.held.push(message, beside=self.outbox.used)
        dropped = self.outbox.push(message)
        self._start_writer()
        return dropped

    def push_past_held(self, message: Message) -> int | None:
        """The same before what is held; for pages and pongs, which are never dropped."""
        if self.held is None:
            return self.push(message)
        self.outbox.append(message)
        self._start_writer()
        return self.held.make_room(beside=self.outbox.used)

    def take_page(self) -> None:
        """The page that was pushed is whole, and not the last: ask for the next when all is taken."""
        self.is_taking = True
        self._start_writer()

    def go_live(self) -> None:
        """The last page was pushed: what is held follows it, and then everything goes its usual way."""
        if self.held is not None:
            self.outbox.take_over(self.held)
            self.held = None
            self._start_writer()

    def discard(self) -> int:
        """Throw away everything that waits, see `Outbox.discard`; nothing is held any more."""
        held = 0 if self.held is None else self.held.discard()
        self._stop_holding()
        return held + self.outbox.discard()

    def close(self, code: int) -> None:
        """Put the close behind what waits, if the connection is open. Never waits."""
        if self.state is not State.OPEN:
            return
        self.state = State.CLOSING
        self._stop_holding()
        self.code = int(code)  # a plain number, not a WSCloseCode: it goes into notices, logs and frames
        self.outbox.push_close(self.code)
        self._start_writer()
        self._keeper.on_closing(self)

    def end(self, code: int) -> None:
        """It is over: the close was sent or received, the peer is gone, or nobody waits for it any longer."""
        if self.state is State.ENDED:
            return
        was_open = self.state is State.OPEN
        self.state = State.ENDED
        self.code = int(code)
        self._stop_holding()
        self.outbox.clear()
        if was_open:
            self._keeper.on_closing(self)
        self._keeper.on_ended(self)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(self.code)

    async def serve(self, read: Callable[[AsgiConnection], Awaitable[None]]) -> int:
        """Read with `read` and write until the connection has ended; its close code.

        Cancelling it closes with 1001 and still gives the close its bounded time; cancelling it twice does not.

        Raises:
            RuntimeError: it is served already.
        """
        if self._ended is not None:
            raise RuntimeError(f"connection {self.id} is served already; serve each connection once")
        # A future and not the tasks themselves: a connection also ends by a deadline, while both of them are stuck.
        ended = self._ended = asyncio.get_running_loop().create_future()
        reader = asyncio.ensure_future(read(self))
        self._start_writer()
        try:
            # Shielded, since cancelling a task cancels the future that it waits for.
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.close(WSCloseCode.GOING_AWAY)
            await asyncio.shield(ended)
            raise
        finally:
            self.end(self.code)  # changes nothing, unless this was cancelled twice
            tasks = [task for task in (reader, self._writer) if task is not None]
            for task in tasks:
                task.cancel()
            # No task of a connection outlives its `serve`, so the server may let go of the socket.
            await asyncio.gather(*tasks, return_exceptions=True)

    async def ended(self) -> None:
        """Return when the connection has ended; at once if it was never served."""
        if self._ended is not None:
            await asyncio.shield(self._ended)

    def _stop_holding(self) -> None:
        """Throw away what is held: it follows a last page that will never come."""
        if self.held is not None:
            self.held.clear()
            self.held = None
        self.is_taking = False

    def _start_writer(self) -> None:
        if self._writer is None and self._ended is not None and self.state is not State.ENDED:
            self._writer = asyncio.create_task(self._write())

    async def _write(self) -> None:
        """Send what waits until nothing does; the only place that sends, so that only this task can be stalled."""
        sent = 0
        try:
            while (entry := self.outbox.take()) is not None:
                if sent and sent % _BURST == 0:
                    await asyncio.sleep(0)
                sent += 1
                if isinstance(entry, Close):
                    reason = reason_phrase(entry.code)
                    await self.socket.send({"type": "websocket.close", "code": entry.code, "reason": reason})
                    self.end(entry.code)
                else:
                    await self.socket.send({"type": "websocket.send", "text": entry.text})
            if self.is_taking:
                self.is_taking = False
                self._keeper.on_page_taken(self)
        except Exception as error:  # noqa: BLE001 - servers raise errors of their own when the peer is gone
            logger.debug("connection %d: sending failed, the peer is gone: %r", self.id, error)
            self.end(WSCloseCode.ABNORMAL)
        finally:
            # In the same step of the loop in which the outbox was found empty: no push can fall between.
            self._writer = None
