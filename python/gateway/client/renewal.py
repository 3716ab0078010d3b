"""A new token for a live connection, before the old one expires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.client.provider import Ask
from gateway.client.timers import Timer, Timers
from gateway.client.token_expiry import seconds_left

PAUSE_SECONDS: Final = 10.0
"""Between two refreshes: the gateway allows one in so many seconds."""

LEAD_SECONDS: Final = 60.0
"""So long before its end a token is replaced; a short-lived one after three quarters of what is left of it."""

_LONGEST_WAIT: Final = 86_400.0  # what a timer of any platform can wait; an earlier renewal does no harm


class Renewal:
    """Asks for a new token in time, and sends it. For one event loop.

    Args:
        ask: the token provider.
        send: sends a new token on the live connection.
        timers: the clock.
    """

    def __init__(self, ask: Ask, send: Callable[[str], None], timers: Timers) -> None:
        self._ask = ask
        self._send = send
        self._timers = timers
        self._timer = Timer(timers)
        self._token = ""
        self._sent: str | None = None
        # An answer of the provider that comes after its connection is nobody's.
        self._epoch = 0

    @property
    def token(self) -> str:
        """The token in use."""
        return self._token

    def start(self, token: str) -> None:
        """A connection lives, with this token."""
        self.stop()
        self._token = token
        left = seconds_left(token, self._timers.time())
        if left is not None:
            wait = max(left - min(LEAD_SECONDS, left / 4), PAUSE_SECONDS)
            self._timer.set(min(wait, _LONGEST_WAIT), self._renew)

    def accepted(self) -> None:
        """The gateway has taken the token that was sent last."""
        if self._sent is not None:
            self.start(self._sent)

    def refused(self) -> None:
        """The gateway has not taken it, and the old one stays: ask again later."""
        if self._sent is not None:
            self._sent = None
            self._again()

    def stop(self) -> None:
        """The connection is gone."""
        self._epoch += 1
        self._sent = None
        self._timer.cancel()

    def _renew(self) -> None:
        epoch = self._epoch

        def given(token: str) -> None:
            if epoch != self._epoch:
                return
            if token == self._token:
                self._again()
                return
            self._sent = token
            self._send(token)

        def failed(_error: Exception) -> None:
            if epoch == self._epoch:
                self._again()

        self._ask(given, failed)

    def _again(self) -> None:
        self._timer.set(PAUSE_SECONDS, self._renew)
