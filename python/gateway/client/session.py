"""The life of a client over all its connections: when to connect, when to come back, when to give up."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from gateway.client.backoff import Backoff
from gateway.client.heartbeat import Heartbeat
from gateway.client.link import Link
from gateway.client.messages import OWN_TYPES, Event, Stale, Throttled, number, read
from gateway.client.positions import Positions
from gateway.client.provider import Ask
from gateway.client.renewal import Renewal
from gateway.client.timers import Timer, Timers
from gateway.client.timing import Timing
from gateway.protocol.close_codes import CLOSE_CODES, WSCloseCode

FINAL: Final = frozenset(code for code, meaning in CLOSE_CODES.items() if meaning.reconnect == "no")
"""The codes after which the client does not come back; after 4001 it may, once, with a fresh token. After any other
code, also one that it does not know, it does."""


class State(StrEnum):
    """Where a client stands."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class Outlet(Protocol):
    """Hears what a session has to say, in order. Nothing may raise."""

    def state(self, state: State) -> None:
        """It stands elsewhere now."""
        ...

    def deliver(self, message: Event | Stale | Throttled) -> None:
        """Something for the application."""
        ...

    def moved(self, positions: dict[str, str]) -> None:
        """The positions behind everything that has been delivered."""
        ...

    def gave_up(self, code: int, attempts: int, cause: BaseException | None) -> None:
        """It is closed and will not come back: by the last close code, after so many attempts."""
        ...


Connect = Callable[[str, str, "Attempt"], Link]
"""Begins a connection: what to resume, the token, and who hears of it."""


class Attempt:
    """One connection of a session, from asking for its token on. What comes of a former one is not heard."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.token = ""
        self.resumes = False
        self.link: Link | None = None

    def message(self, text: str | bytes) -> None:
        """See `LinkOwner.message`."""
        self._session.on_message(self, text)

    def closed(self, code: int, cause: BaseException | None) -> None:
        """See `LinkOwner.closed`."""
        self._session.on_closed(self, code, cause)


class Session:
    """The state machine of a client, without any I/O. For one event loop; no method raises.

    Args:
        connect: begins a connection.
        ask: the token provider.
        outlet: the application.
        positions: where to begin.
        timers: the clock.
        timing: see the class.
        uniform: draws from [0, 1).
    """

    def __init__(
        self,
        *,
        connect: Connect,
        ask: Ask,
        outlet: Outlet,
        positions: Positions,
        timers: Timers,
        timing: Timing,
        uniform: Callable[[], float],
    ) -> None:
        self._connect = connect
        self._ask = ask
        self._outlet = outlet
        self._timing = timing
        self._positions = positions
        self._backoff = Backoff(timing, uniform)
        self._heartbeat = Heartbeat(lambda: self._send("ping"), self._silent, timers, timing)
        self._renewal = Renewal(ask, self._send_token, timers)
        self._deadline = Timer(timers)
        self._stable = Timer(timers)
        self._wait = Timer(timers)
        self._state = State.IDLE
        self._attempt: Attempt | None = None
        self._offline = False
        # From a `reconnect` hint: seconds to wait once this connection has ended.
        self._hint: float | None = None
        self._hinted = False
        # The token that was refused with 4001; a fresh one is asked for once.
        self._refused: str | None = None

    @property
    def state(self) -> State:
        """Where the client stands."""
        return self._state

    @property
    def positions(self) -> dict[str, str]:
        """Branch to the position behind what has been delivered."""
        return self._positions.snapshot()

    # --- what the application says -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and stay connected; also after a give-up, from the beginning."""
        if self._state in (State.IDLE, State.CLOSED):
            self._backoff.reset()
            self._refused = None
            self._begin()

    def stop(self) -> None:
        """Close in good order, and do not come back."""
        if self._state is not State.CLOSED:
            link = self._leave()
            if link is not None:
                link.close()
            self._become(State.CLOSED)

    def wake(self) -> None:
        """Somebody looks at the client again, or the machine has slept: make sure of the connection now."""
        if self._state is State.OPEN:
            self._heartbeat.beat()
        elif self._state is State.WAITING and not self._offline and not self._hinted:
            self._begin()

    def offline(self) -> None:
        """The machine has no network: do not try."""
        self._offline = True
        if self._state is State.OPEN:
            # It may be another network's end: the connection is asked, not cut.
            self._heartbeat.beat()
        elif self._state is State.WAITING and not self._hinted:
            self._wait.cancel()

    def online(self) -> None:
        """The machine has a network again."""
        self._offline = False
        if self._state is State.OPEN:
            self._heartbeat.beat()
        elif self._state is State.WAITING and not self._wait.running:
            # Everybody behind one router hears of it at the same moment.
            self._wait.set(self._backoff.soon(), self._begin)

    def hold(self) -> None:
        """Nothing is read for now: the application is behind."""
        self._heartbeat.hold()

    def release(self) -> None:
        """Messages are read again."""
        self._heartbeat.release()

    # --- connecting --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._wait.cancel()
        self._hint, self._hinted = None, False
        if self._offline:
            self._become(State.WAITING)
            return
        attempt = self._attempt = Attempt(self)
        self._deadline.set(self._timing.welcome_within, self._unwelcome)
        self._become(State.CONNECTING)
        # Whoever was told may have stopped it.
        if attempt is not self._attempt:
            return

        def given(token: str) -> None:
            if attempt is not self._attempt:
                return
            if token == self._refused:
                self._give_up(WSCloseCode.AUTH_FAILED, None)
                return
            attempt.token = token
            resume = self._positions.resume()
            attempt.resumes = resume != ""
            attempt.link = self._connect(resume, token, attempt)

        def failed(error: Exception) -> None:
            self.on_closed(attempt, WSCloseCode.ABNORMAL, error)

        self._ask(given, failed)

    def _unwelcome(self) -> None:
        self._drop(TimeoutError(f"no welcome came within {self._timing.welcome_within:g} s"))

    def _silent(self) -> None:
        self._drop(TimeoutError(f"the gateway has not answered a ping for {self._timing.answer_within:g} s"))

    def _drop(self, cause: BaseException) -> None:
        link = self._leave()
        if link is not None:
            link.drop()
        self._come_back(WSCloseCode.ABNORMAL, cause)

    # --- what the connection says ------------------------------------------------------------------------------------

    def on_message(self, attempt: Attempt, text: str | bytes) -> None:
        """A message came on a connection."""
        if attempt is not self._attempt:
            return
        self._heartbeat.heard()
        message = read(text)
        if message is None:
            return
        kind = message["type"]
        if kind == "reconnect":
            # Also to somebody who has not been welcomed, and will not be.
            self._hint = number(message.get("after"))
        elif self._state is State.CONNECTING:
            if kind == "welcome":
                self._welcome(attempt, message)
        elif kind in OWN_TYPES:
            self._hear(kind, message)
        else:
            assert isinstance(text, str)  # noqa: S101 - `read` takes nothing else
            self._event(Event(kind, message, text))

    def on_closed(self, attempt: Attempt, code: int, cause: BaseException | None) -> None:
        """A connection is over, or never came about."""
        if attempt is not self._attempt:
            return
        token = self._renewal.token if self._state is State.OPEN else attempt.token
        self._leave()
        if code == WSCloseCode.POLICY_VIOLATION and attempt.resumes:
            # They came from a storage that somebody else writes to: brought again, they would be refused again.
            self._positions.forget()
            self._outlet.moved({})
        if code == WSCloseCode.AUTH_FAILED and self._refused is None:
            self._refused = token
        elif code in FINAL:
            self._give_up(code, cause)
            return
        self._come_back(code, cause)

    def _welcome(self, attempt: Attempt, message: dict[str, Any]) -> None:
        self._deadline.cancel()
        self._stable.set(self._timing.stable_after, self._held)
        self._heartbeat.start(number(message.get("heartbeat")) or self._timing.heartbeat)
        self._renewal.start(attempt.token)
        before = self._positions.snapshot()
        stale = self._positions.welcome(message.get("positions"), message.get("resumed"))
        self._become(State.OPEN)
        if attempt is not self._attempt:
            return
        if stale:
            self._outlet.deliver(Stale(tuple(stale)))
        # Behind `Stale`: whoever stores positions must not have a new one with an old state.
        if self._positions.snapshot() != before:
            self._outlet.moved(self._positions.snapshot())

    def _hear(self, kind: str, message: dict[str, Any]) -> None:
        match kind:
            case "pong":
                self._move(message.get("positions"))
            case "gap":
                self._gap(message)
            case "token_refreshed":
                self._renewal.accepted()
            case "error" if message.get("code") in ("bad_token", "too_soon"):
                self._renewal.refused()

    def _held(self) -> None:
        self._backoff.reset()
        self._refused = None

    def _event(self, event: Event) -> None:
        branch = event.data.get("branch_id")
        if event.position is None or not isinstance(branch, int):
            self._outlet.deliver(event)
        elif self._positions.passed(branch, event.position):
            self._outlet.deliver(event)
            self._move({str(branch): event.position})

    def _move(self, positions: object) -> None:
        if self._positions.move(positions):
            self._outlet.moved(self._positions.snapshot())

    def _gap(self, message: dict[str, Any]) -> None:
        branch, dropped = message.get("branch"), number(message.get("dropped"))
        if message.get("critical") is True and isinstance(branch, int):
            self._outlet.deliver(Stale((branch,)))
        elif dropped is not None:
            self._outlet.deliver(Throttled(int(dropped)))

    # --- going and coming back ---------------------------------------------------------------------------------------

    def _leave(self) -> Link | None:
        """Forget the connection; it is the caller's to close, where it is not closed already."""
        attempt, self._attempt = self._attempt, None
        self._deadline.cancel()
        self._stable.cancel()
        self._wait.cancel()
        self._heartbeat.stop()
        self._renewal.stop()
        return None if attempt is None else attempt.link

    def _come_back(self, code: int, cause: BaseException | None) -> None:
        wait = self._backoff.next()
        if wait is None:
            self._give_up(code, cause)
            return
        if self._hint is not None:
            wait, self._hinted = self._hint, True
        if self._hinted or not self._offline:
            self._wait.set(wait, self._begin)
        self._become(State.WAITING)

    def _give_up(self, code: int, cause: BaseException | None) -> None:
        attempts = self._backoff.attempts
        self._leave()
        self._become(State.CLOSED)
        self._outlet.gave_up(code, attempts, cause)

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._outlet.state(state)

    def _send(self, text: str) -> None:
        if self._attempt is not None and self._attempt.link is not None:
            self._attempt.link.send(text)

    def _send_token(self, token: str) -> None:
        self._send(msgspec.json.encode({"type": "refresh_token", "token": token}).decode())
