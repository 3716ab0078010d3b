"""How fast a node takes clients up, so that a storm of them leaves those who are there undisturbed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.errors import JoinQueueError
from gateway.types import Clock

PATIENCE_SECONDS = 5.0
"""How long a handshake waits for its turn. Clients that wait much longer give up and come back, at the end."""

BURST_SECONDS = 0.1
"""How much of a second's joins may come at once after a pause."""

RETRY_SECONDS = (1.0, 10.0)
"""Clients that are turned away are told to come back at random within this span, and so not together."""


class _Waiting(NamedTuple):
    deadline: float
    turn: asyncio.Future[None]


class JoinQueue:
    """Gives handshakes their turn, `rate` a second; staff before diners. For one event loop.

    It is bounded by what it can serve: who could not have a turn within `PATIENCE_SECONDS` is turned away at once,
    and nobody waits longer, so that at most `rate * PATIENCE_SECONDS` of either kind wait.
    """

    def __init__(
        self, rate: float, clock: Clock, *, random_between: Callable[[float, float], float] = random.uniform
    ) -> None:
        """`rate` in handshakes a second; 0 is unlimited."""
        self._interval = 1 / rate if rate else 0.0
        self._burst = max(BURST_SECONDS, self._interval)
        self._room = int(rate * PATIENCE_SECONDS)
        self._clock = clock
        self._random_between = random_between
        self._next = 0.0  # when the bucket is full again: the generic cell rate algorithm
        self._staff: deque[_Waiting] = deque()
        self._diners: deque[_Waiting] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Handshakes that wait for their turn, those that gave up meanwhile among them."""
        return len(self._staff) + len(self._diners)

    async def turn(self, *, staff: bool) -> None:
        """Return when it is this handshake's turn.

        Raises:
            JoinQueueError: there is no turn in time; HTTP 503.
        """
        if not self._interval:
            return
        if not self.waiting and self._take(self._clock.monotonic()):
            return
        if (len(self._staff) if staff else self.waiting) >= self._room:
            raise self._full()
        waiting = _Waiting(self._clock.monotonic() + PATIENCE_SECONDS, asyncio.get_running_loop().create_future())
        (self._staff if staff else self._diners).append(waiting)
        if self._timer is None:
            self._wake_later()
        await waiting.turn

    def tick(self) -> None:
        """Give the turns that are due, and turn those away who waited too long. The timer calls it; tests may too."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        for line in (self._staff, self._diners):
            while line and (line[0].turn.done() or line[0].deadline <= now):
                late = line.popleft().turn
                if not late.done():
                    late.set_exception(self._full())
            while line and (line[0].turn.done() or self._take(now)):
                first = line.popleft().turn
                if not first.done():
                    first.set_result(None)
        if self.waiting:
            self._wake_later()

    def retry_after(self) -> float:
        """Seconds after which somebody who is turned away is to come back; others get another number."""
        return self._random_between(*RETRY_SECONDS)

    def _take(self, now: float) -> bool:
        full = max(self._next, now) + self._interval
        if full - now > self._burst + 1e-9:
            return False
        self._next = full
        return True

    def _wake_later(self) -> None:
        wait = max(0.0, self._next + self._interval - self._burst - self._clock.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait, self.tick)

    def _full(self) -> JoinQueueError:
        return JoinQueueError("this node takes up as many clients as it can; try again in a moment")
