"""A client of the gateway that stays connected."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from gateway.client.address import Address, Endpoint
from gateway.client.inbox import Inbox, Message
from gateway.client.link import Link, WebSocketLink
from gateway.client.messages import Event, Stale, Throttled
from gateway.client.positions import Positions
from gateway.client.provider import TokenProvider, checked_token
from gateway.client.session import Attempt, Session, State
from gateway.client.storage import PositionStorage
from gateway.client.timers import LoopTimers
from gateway.client.timing import Timing
from gateway.errors import GaveUpError

BUFFER: Final = 1000
"""So many messages are kept for an application that is behind, before the client stops reading."""

_log = logging.getLogger("gateway.client")


class Client:
    """Hears an endpoint's events, and comes back after every loss where it left off. For one event loop, used once.

    It yields `Event`, in order and each critical one once; `Stale` where critical events may be missing, so that the
    state of its branches has to be fetched anew; `Throttled` where best-effort events were dropped. Iteration ends when
    the client is closed, and raises when it has given up.

    ```python
    async with Client("wss://gateway.example.com", "kitchen", token=fetch_token) as client:
        async for message in client:
            match message:
                case Event(type="ROUND_READY"):
                    ring(message.data)
                case Stale():
                    await fetch_state(message.branches)
    ```

    An application that is behind by `buffer` messages makes the client stop reading; what the gateway then drops it
    says by `Throttled`.

    Args:
        url: the gateway's, `ws://host:port` or `wss://host`, with the prefix under which it is mounted.
        endpoint: `waiter`, `kitchen`, `admin` or `diner`.
        token: a token, or a function (also a coroutine function) that gives one: called for each attempt to connect,
            and before a token expires. What it raises counts as a failed attempt.
        storage: keeps positions for a later run; None keeps them as long as the client lives.
        on_state: hears each change of `state`.
        on_message: hears each message of the gateway as it came, before it is looked at. What it raises ends the client
            and is raised by the iteration.
        timing: how long the client waits for what.
        buffer: see above; at least 1.

    Raises:
        ValueError: the URL, the endpoint, the token or the buffer cannot be used.
    """

    def __init__(
        self,
        url: str,
        endpoint: Endpoint,
        *,
        token: TokenProvider,
        storage: PositionStorage | None = None,
        on_state: Callable[[State], None] | None = None,
        on_message: Callable[[str | bytes], None] | None = None,
        timing: Timing | None = None,
        buffer: int = BUFFER,
    ) -> None:
        if buffer < 1:
            raise ValueError(f"buffer must be at least 1, got {buffer}")
        self._address = Address(url, endpoint)
        self._token = checked_token(token) if isinstance(token, str) else token
        self._storage = storage
        self._on_state = on_state
        self._on_message = on_message
        self._timing = timing or Timing()
        self._inbox = Inbox(buffer, self._save)
        self._links: set[WebSocketLink] = set()
        self._asking: set[asyncio.Task[None]] = set()
        self._session: Session | None = None

    @property
    def state(self) -> State:
        """Where the client stands."""
        return State.IDLE if self._session is None else self._session.state

    @property
    def positions(self) -> dict[str, str]:
        """Branch to position, behind what has been heard (`storage` gets those behind what has been taken)."""
        return {} if self._session is None else self._session.positions

    async def __aenter__(self) -> Self:
        """Begin to connect; the connection is there when `state` says so.

        Raises:
            RuntimeError: the client has been used already.
            Exception: what the storage raises.
        """
        if self._session is not None:
            raise RuntimeError("a Client is used once: make another one")
        stored = None if self._storage is None else self._storage.load()
        if inspect.isawaitable(stored):
            stored = await stored
        self._session = Session(
            connect=self._connect,
            ask=self._ask,
            outlet=_Outlet(self._inbox, self._on_state),
            positions=Positions(stored),
            timers=LoopTimers(),
            timing=self._timing,
            # Spreads load, guards no secret: the fast generator is the right one.
            uniform=random.random,
        )
        self._session.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection in good order; an iteration that waits ends. May be called again."""
        if self._session is not None:
            self._session.stop()
        self._inbox.end(StopAsyncIteration(), at_once=True)
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        for link in tuple(self._links):
            await link.gone()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message.

        Raises:
            GaveUpError: the client will not come back; its `__cause__` is what ended the last connection.
            RuntimeError: the client is not entered (`async with`).
            Exception: what the storage or `on_message` raises.
        """
        if self._session is None:
            raise RuntimeError("enter the client first: async with Client(…) as client")
        return await self._inbox.get()

    def wake(self) -> None:
        """Make sure of the connection now: ping, or try to come back without waiting. For a machine that has slept."""
        if self._session is not None:
            self._session.wake()

    def offline(self) -> None:
        """The machine has lost its network: do not try until `online`. For whoever is told so."""
        if self._session is not None:
            self._session.offline()

    def online(self) -> None:
        """The machine has its network again."""
        if self._session is not None:
            self._session.online()

    # --- what the session needs --------------------------------------------------------------------------------------

    def _connect(self, resume: str, token: str, attempt: Attempt) -> Link:
        owner = attempt if self._on_message is None else _Overheard(attempt, self._on_message, self._fail)
        link = WebSocketLink(self._address.resuming(resume), token, owner, self._room)
        self._links.add(link)
        link.when_gone(lambda: self._links.discard(link))
        return link

    def _ask(self, given: Callable[[str], None], failed: Callable[[Exception], None]) -> None:
        async def ask() -> None:
            try:
                token = self._token if isinstance(self._token, str) else self._token()
                if inspect.isawaitable(token):
                    token = await token
                token = checked_token(token)
            except Exception as error:  # noqa: BLE001 - the application's; it reaches the caller when the client gives up
                # The kind alone: what a provider raises may quote a token.
                _log.warning("the token provider failed: %s", type(error).__name__)
                failed(error)
            else:
                given(token)

        task = asyncio.create_task(ask(), name="gateway-client-token")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _room(self) -> None:
        if self._inbox.full and self._session is not None:
            self._session.hold()
            await self._inbox.room()
            self._session.release()

    async def _save(self, positions: dict[str, str]) -> None:
        if self._storage is not None:
            saved = self._storage.save(positions)
            if inspect.isawaitable(saved):
                await saved

    def _fail(self, error: Exception) -> None:
        self._inbox.end(error)
        if self._session is not None:
            self._session.stop()


class _Outlet:
    """Puts what a session says into the inbox."""

    def __init__(self, inbox: Inbox, on_state: Callable[[State], None] | None) -> None:
        self._inbox = inbox
        self._on_state = on_state

    def state(self, state: State) -> None:
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:  # noqa: BLE001 - logged in full below
                # The application's; a connection must not hang on it.
                _log.exception("on_state failed")

    def deliver(self, message: Event | Stale | Throttled) -> None:
        self._inbox.put(message)

    def moved(self, positions: dict[str, str]) -> None:
        self._inbox.mark(positions)

    def gave_up(self, code: int, attempts: int, cause: BaseException | None) -> None:
        error = GaveUpError(code, attempts)
        error.__cause__ = cause
        self._inbox.end(error)


class _Overheard:
    """Shows each message to `on_message`, on its way to an attempt."""

    def __init__(
        self, attempt: Attempt, hear: Callable[[str | bytes], None], fail: Callable[[Exception], None]
    ) -> None:
        self._attempt = attempt
        self._hear = hear
        self._fail = fail

    def message(self, text: str | bytes) -> None:
        try:
            self._hear(text)
        except Exception as error:  # noqa: BLE001 - the application's, which gets it back
            self._fail(error)
        else:
            self._attempt.message(text)

    def closed(self, code: int, cause: BaseException | None) -> None:
        self._attempt.closed(code, cause)
