"""The event loop's side of native sockets: starts the reactors, hears what they tell, passes on what they are told.

From the hand-off on a connection is its reactor's: Python keeps no object for it, and hears of it
again only through notices. The core writes those into a queue and makes a descriptor readable, which the loop watches.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
from collections.abc import Callable, Mapping, Sequence

from gateway.fanout.base import (
    BroadcastObserver,
    ClosedNotice,
    ConnectionIdentity,
    DetachableSocket,
    DueNotice,
    FanoutLimits,
    Membership,
    MessageNotice,
    Occupancy,
    PageEntry,
    PageNotice,
)
from gateway.fanout.native import NativeCore, Reached, Reports, Said
from gateway.fanout.outlet import NoticeOutlet
from gateway.protocol.close_codes import reason_phrase
from gateway.protocol.messages import is_ping
from gateway.types import Clock, ConnectionId, SystemClock

_LINGER_SECONDS = 2.5
"""How long the reactors may take to close everybody: the two seconds that each connection has (`LINGER` of
`context.rs`), and some for the looks of their timing wheels."""

logger = logging.getLogger("gateway.fanout")


def start_core(
    limits: FanoutLimits, reactors: int, clock: Clock | None = None, *, all_messages: bool = False
) -> NativeCore:
    """A core with native sockets, its reactors running. Call it after any fork: threads do not survive one.

    A clock that is not the machine's is one that tests move, see `NativeSockets.tick`. For `all_messages` see
    `NativeCore`; `NativeSockets` does not take those.

    Raises:
        ValueError: fewer than 1 reactor, or more than 63.
        OSError: the system has no descriptors or threads left.
    """
    if reactors < 1:
        raise ValueError(f"{reactors} reactors own no socket; expected 1 or more")
    first = None if clock is None or isinstance(clock, SystemClock) else (clock.monotonic(), clock.time())
    # Threads inherit what is blocked. Signals are for the main thread: Python's handlers run there, and a reactor that
    # was interrupted by one would only have to make its system call again.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        return NativeCore(limits, reactors, all_messages=all_messages, clock=first)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


class NativeSockets:
    """Speaks to the reactors of a `NativeCore`. Event loop only.

    `send`, `answer`, `page` and `close` give None for a connection that no reactor owns.
    """

    def __init__(
        self,
        core: NativeCore,
        outlet: NoticeOutlet,
        observer: BroadcastObserver,
        clock: Clock,
        *,
        on_reports: Callable[[], None] = lambda: None,
    ) -> None:
        """Notices go to `outlet`; `core` is one of `start_core`, with the same clock.

        `on_reports` is called when the core has reports (`FanoutCore.reports`).
        """
        self._core = core
        self._on_reports = on_reports
        self._outlet = outlet
        self._observer = observer
        self._clock = clock
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._watched: tuple[asyncio.AbstractEventLoop, int] | None = None

    # --- life ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Watch for notices, on the running loop."""
        if (fd := self._core.notice_fd) is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(fd, self.drain)
            self._watched = loop, fd

    async def passed(self, timeout: float) -> bool:
        """Wait until reactors have passed all that was submitted before; False when it takes over `timeout` seconds."""
        return await self._reached(timeout, empty=False)

    async def close_all(self, code: int) -> None:
        """Close everybody and wait until all have hung up, at most as long as a close may take."""
        self._core.close_all(code)
        if not await self._reached(_LINGER_SECONDS, empty=True):
            logger.warning("native connections did not take their close (%d) in time; they are cut off", code)

    def stop(self) -> None:
        """End the reactors, tell of those who were left, and watch no more. The core owns no socket any more."""
        self._core.stop()
        self.drain()
        if self._watched is not None:
            loop, fd = self._watched
            loop.remove_reader(fd)
            self._watched = None

    def tick(self) -> None:
        """Move the reactors' clock to where a clock that tests move is; the machine's moves by itself."""
        if not isinstance(self._clock, SystemClock):
            self._core.advance(self._clock.monotonic(), self._clock.time())

    # --- connections -----------------------------------------------------------------------------------------

    def adopt(
        self,
        connection: ConnectionId,
        socket: DetachableSocket,
        memberships: Sequence[Membership],
        identity: ConnectionIdentity,
        first: str | None,
        *,
        positions: Mapping[int, str] | None = None,
        resuming: bool = False,
    ) -> None:
        """See `Fanout.attach`.

        Raises:
            ValueError: see `FanoutCore.attach`; the socket is closed.
            ConnectionGoneError: the server has lost the socket.
        """
        self._core.adopt(
            connection, memberships, identity, socket.detach(), first, positions=positions, resuming=resuming
        )
        self.drain()

    def refuse(self, socket: DetachableSocket, code: int) -> None:
        """See `Fanout.refuse`.

        Raises:
            ConnectionGoneError: the server has lost the socket.
        """
        self._core.refuse(socket.detach().fd, code, reason_phrase(code))

    def send(self, connection: ConnectionId, text: str) -> bool | None:
        """See `Fanout.send`."""
        return self._core.send(connection, text)

    def answer(self, connection: ConnectionId, text: str | None) -> bool | None:
        """See `Fanout.answer`."""
        return self._core.answer(connection, text)

    def page(self, connection: ConnectionId, entries: Sequence[PageEntry], *, last: bool) -> bool | None:
        """See `Fanout.page`.

        Raises:
            ValueError: see there.
        """
        return self._core.page(connection, entries, last=last)

    def close(self, connection: ConnectionId, code: int) -> bool | None:
        """See `Fanout.close`."""
        closed = self._core.close(connection, code, reason_phrase(code))
        if closed:
            self.drain()
        return closed

    # --- what reactors tell ----------------------------------------------------------------------------------

    def drain(self) -> None:
        """Pass on what reactors have told.

        The loop calls it when there is something. It is called after every change of the index too: a change that a
        reactor made before, and told, must not come after one that the caller has made since.
        """
        for told in self._core.notices():
            match told:
                case Occupancy():
                    self._outlet.occupancy(told)
                case ClosedNotice() | DueNotice() | PageNotice():
                    self._outlet.notice(told)
                case Said(connection, message):
                    self._hear(connection, message)
                case Reports():
                    self._on_reports()
                case Reached(number):
                    if (waiting := self._waiting.pop(number, None)) is not None and not waiting.done():
                        waiting.set_result(None)

    def _hear(self, connection: ConnectionId, message: str | bytes) -> None:
        if isinstance(message, bytes):
            raise TypeError("a binary message was told; only a core made with all_messages tells those")
        # Reactors know the spellings of a heartbeat that clients write; the odd ones are left to the one true parser.
        if is_ping(message):
            self._observer.on_client_message("ping")
            self._core.answer_ping(connection)
        else:
            self._observer.on_client_message("control")
            self._outlet.notice(MessageNotice(connection, message))

    async def _reached(self, timeout: float, *, empty: bool) -> bool:
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._core.tell_when(number, empty=empty)
        try:
            async with asyncio.timeout(timeout):
                await waiting
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(number, None)
        return True
