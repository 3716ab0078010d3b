"""A client's socket on its way from uvicorn's transport to an owner of its own."""

from __future__ import annotations

import asyncio
import errno
import os

from uvicorn.protocols.utils import ClientDisconnected
from websockets.frames import Close, Frame, Opcode

from gateway.errors import ConnectionGoneError, NodeFullError
from gateway.fanout.base import DetachedSocket
from gateway.server.early_bytes import EarlyBytes
from gateway.server.stage import Stage

LINGER_SECONDS = 2.0
"""How long a client that was sent a close frame here has to hang up before it is cut off."""


class OfferedSocket:
    """The transport's descriptor, its duplicate, and what the client has said so far. Event loop only.

    The duplicate shares the connection with the transport's descriptor: closing the one leaves the other, and the
    client sees nothing of it. `shutdown(2)` would act on both, so nothing here calls it once a duplicate is given away.

    Attributes:
        stage: see `Stage`; nobody else sets it.
        settled: set when the stage is one that the endpoint cannot leave any more by what it sends.
    """

    def __init__(self, transport: asyncio.Transport, early: EarlyBytes) -> None:
        self.stage = Stage.HANDSHAKE
        self.settled = asyncio.Event()
        self._transport = transport
        self._early = early
        self._duplicate: int | None = None
        self._flushed: asyncio.Future[None] | None = None
        self._cut: asyncio.TimerHandle | None = None

    # --- what the endpoint asks for ---

    @property
    def reserved(self) -> bool:
        """Whether there is a duplicate to give away."""
        return self._duplicate is not None

    def reserve(self) -> None:
        """Duplicate the descriptor; a second call changes nothing.

        First of all, because it can fail: as long as nothing is written, a client can still be refused with a status.

        Raises:
            NodeFullError: no descriptor is free.
            RuntimeError: too late; the handshake has been answered.
        """
        if self.stage not in (Stage.HANDSHAKE, Stage.LOST):
            raise RuntimeError("the socket must be asked for before websocket.accept is sent")
        if self.reserved or self._transport.is_closing():
            return  # a client that has gone is noticed by what the endpoint sends next
        try:
            # Close-on-exec, and with the flags of the file description that it shares: non-blocking, TCP_NODELAY.
            self._duplicate = os.dup(self._transport.get_extra_info("socket").fileno())
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            raise NodeFullError(
                "This node has no file descriptor left for another connection; raise its limit (ulimit -n)."
            ) from error

    async def accept(self, reply: bytes) -> None:
        """Write the 101, and return when all of it is in the kernel and the client is not read any more.

        Raises:
            ClientDisconnected: the client went before that.
        """
        transport = self._transport
        self.stage = Stage.ACCEPTING
        # From here on bytes stay in the kernel: two readers of one socket would race for them.
        self._early.hold()
        # `resume_writing` now means "the buffer is empty", so nothing has to be polled.
        transport.set_write_buffer_limits(high=0)
        self._flushed = asyncio.get_running_loop().create_future()
        try:
            transport.write(reply)
            if transport.get_write_buffer_size():
                await self._flushed
            if self.settled.is_set() or transport.is_closing():
                raise ClientDisconnected  # noqa: TRY301 - it is cleaned up after as every other way out
        except BaseException:  # cancelled, too: half a 101 may have been written
            self.abort()
            raise
        self.stage = Stage.ACCEPTED

    def detach(self) -> DetachedSocket:
        """Give the duplicate away and close the transport's own descriptor.

        `transport.close()` takes its descriptor out of the selector before it closes it, in asyncio and in libuv
        alike: a duplicate that is watched elsewhere keeps nothing of it alive.

        Raises:
            ConnectionGoneError: the client went, or the server closed the connection.
            RuntimeError: the socket was not asked for, is not accepted yet, or has been given away.
        """
        if self.stage in (Stage.LOST, Stage.CLOSING) or (self.stage is Stage.ACCEPTED and self._transport.is_closing()):
            self.release()
            raise ConnectionGoneError("the connection ended before its socket was detached")
        if self.stage is not Stage.ACCEPTED or self._duplicate is None:
            raise RuntimeError(
                "a socket is detached once, after websocket.accept, if it was asked for before that "
                f"(stage: {self.stage.name})"
            )
        detached = DetachedSocket(self._duplicate, self._early.take())
        self._duplicate = None
        self._settle(Stage.DETACHED)
        self._transport.close()
        return detached

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye to a client that was accepted and that nobody took over.

        The transport goes on: it writes the frame and the end of the stream, and reads until the client hangs up. To
        close at once would answer what is still unread with a reset, which can overtake the frame.

        Raises:
            websockets.exceptions.ProtocolError: a code or a reason that no close frame can carry.
        """
        frame = Frame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=False)
        self.release()
        self._settle(Stage.CLOSING)
        self._transport.write(frame)
        self._transport.write_eof()
        self._early.resume()
        self._cut = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.abort)

    def abort(self) -> None:
        """Cut the connection."""
        self.on_lost()
        self._transport.abort()

    def release(self) -> None:
        """Close the duplicate, if it is still here."""
        if self._duplicate is not None:
            os.close(self._duplicate)
            self._duplicate = None

    def delegate(self) -> bytes:
        """Leave the connection to another protocol class; what the client has said so far is for that one."""
        self.release()
        self._settle(Stage.DELEGATED)
        # Before the bytes are given on: the class may pause reading itself on what it is given.
        self._early.resume()
        return self._early.take()

    # --- what the transport tells ---

    def on_data(self, data: bytes) -> None:
        """The client said something."""
        if not self.settled.is_set():
            self._early.add(data)

    def on_writable(self) -> None:
        """The transport's buffer is empty."""
        if self._flushed is not None and not self._flushed.done():
            self._flushed.set_result(None)

    def on_lost(self) -> None:
        """The transport is gone, or as good as gone. May be called again."""
        if self._cut is not None:
            self._cut.cancel()
        self.release()
        if self.stage not in (Stage.DETACHED, Stage.DELEGATED):
            self._settle(Stage.LOST)
        self.on_writable()

    def _settle(self, stage: Stage) -> None:
        self.stage = stage
        self.settled.set()
