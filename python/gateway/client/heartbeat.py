"""Pings, and what silence means."""

from __future__ import annotations

from collections.abc import Callable

from gateway.client.timers import Timer, Timers
from gateway.client.timing import Timing


class Heartbeat:
    """Pings a live connection, and finds out that it is dead. For one event loop.

    Any message is a sign of life, not the pong alone: on a slow link the pong stands behind the events before it.

    Args:
        ping: sends one.
        dead: is called when nothing has been heard for `timing.answer_within` after a ping.
        timers: the clock.
        timing: see the class.
    """

    def __init__(self, ping: Callable[[], None], dead: Callable[[], None], timers: Timers, timing: Timing) -> None:
        self._ping = ping
        self._dead = dead
        self._answer_within = timing.answer_within
        self._every = timing.heartbeat
        self._next = Timer(timers)
        self._deadline = Timer(timers)
        self._unanswered = False
        self._held = False

    def start(self, every: float) -> None:
        """A connection lives: ping it every so many seconds."""
        self.stop()
        self._every = every
        self._next.set(every, self.beat)

    def beat(self) -> None:
        """Ping now, and from now on as often as before."""
        self._next.set(self._every, self.beat)
        self._ping()
        self._unanswered = True
        # The oldest unanswered ping counts, where they follow each other faster than answers are due.
        if not self._held and not self._deadline.running:
            self._deadline.set(self._answer_within, self._dead)

    def heard(self) -> None:
        """A message came."""
        self._unanswered = False
        self._deadline.cancel()

    def hold(self) -> None:
        """Nothing is read for now, since nobody takes what was read: silence means nothing."""
        self._held = True
        self._deadline.cancel()

    def release(self) -> None:
        """Messages are read again."""
        self._held = False
        if self._unanswered:
            self._deadline.set(self._answer_within, self._dead)

    def stop(self) -> None:
        """The connection is gone."""
        self._next.cancel()
        self._deadline.cancel()
        self._unanswered = self._held = False
