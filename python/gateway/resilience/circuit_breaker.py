"""Stop asking a server that keeps failing; let a few trials find out when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from gateway.errors import CircuitOpenError
from gateway.types import Clock

FIRST_OPEN_SECONDS: Final = 1.0
"""How long a breaker stays open at first. Five refused connections take a fraction of a second: a server that was away
for a moment must not be left alone for longer than that. A trial in a second is no load for one that is still away."""


class BreakerState(StrEnum):
    """The states; see the table in `CircuitBreaker`."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """The circuit breaker of Michael Nygard, *Release It!*.

    | state | a call | goes to |
    |---|---|---|
    | CLOSED | passes | OPEN after `failures` failures in a row |
    | OPEN | is refused | HALF_OPEN when its time is over |
    | HALF_OPEN | passes, `trials` of them | CLOSED after `trials` successes, OPEN at the first failure |

    It stays open for `FIRST_OPEN_SECONDS`, and for twice as long after each trial that fails, up to `open_seconds`. So
    a server that is back is asked again after a second more than it was away, at most; see decision 19.

    A call that began before the last change of state says nothing about the new state, and is not counted.

    For one event loop; not thread-safe. Every call of it returns at once.

    Args:
        duty: what the guarded connection is for (`commands`, `pubsub`); it stands in errors and metrics.
        clock: `monotonic` is used.
        failures: failures in a row that open it.
        open_seconds: the longest that it stays open at a time.
        trials: calls that must succeed before it closes.
        on_change: told the duty and the new state, from inside the call that changed it; must not raise.
    """

    def __init__(
        self,
        duty: str,
        clock: Clock,
        *,
        failures: int = 5,
        open_seconds: float = 30.0,
        trials: int = 3,
        on_change: Callable[[str, BreakerState], None] | None = None,
    ) -> None:
        if failures < 1 or trials < 1 or open_seconds < 0:
            raise ValueError(
                "a breaker needs failures >= 1, trials >= 1 and open_seconds >= 0, "
                f"got {failures}, {trials} and {open_seconds}"
            )
        self.duty = duty
        self._clock = clock
        self._max_failures = failures
        self._max_open = open_seconds
        self._open_for = 0.0  # this time; 0 while it has not been open since it was closed
        self._trials = trials
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._era = 0  # counts changes of state; a permit of an earlier era is stale
        self._failures = 0
        self._successes = 0
        self._under_way = 0
        self._opened_at = 0.0

    @property
    def state(self) -> BreakerState:
        """The state as the next call would find it."""
        if self._state is BreakerState.OPEN and self.retry_after() == 0:
            self._enter(BreakerState.HALF_OPEN)
        return self._state

    def retry_after(self) -> float:
        """Seconds until an open breaker lets a trial through; 0 when it is not open."""
        if self._state is not BreakerState.OPEN:
            return 0.0
        return max(0.0, self._opened_at + self._open_for - self._clock.monotonic())

    def acquire(self) -> Permit:
        """Leave for one call, whose outcome the caller must tell the permit; `guard` does that for a block.

        Raises:
            CircuitOpenError: it is open, or half-open with all its trials under way.
        """
        state = self.state
        if state is BreakerState.OPEN:
            raise CircuitOpenError(
                f"Redis ({self.duty}) keeps failing and is not asked for another {self.retry_after():.1f} s"
            )
        if state is BreakerState.HALF_OPEN:
            if self._successes + self._under_way >= self._trials:
                raise CircuitOpenError(
                    f"Redis ({self.duty}) is being tried after an outage; {self._trials} trials are under way"
                )
            self._under_way += 1
        return Permit(self, self._era)

    @contextmanager
    def guard(self, *counted: type[BaseException], background: bool = False) -> Iterator[None]:
        """Run a block as one call: finishing it is a success, raising one of `counted` is a failure.

        Any other exception says nothing about the server (the caller was cancelled, a key had the wrong type).

        Args:
            counted: what says that the server is away.
            background: nobody waits for this call, so there is nobody to be spared: its success counts like any other,
                and so closes a breaker, but its failure neither opens one nor lengthens its time.

        Raises:
            CircuitOpenError: see `acquire`.
        """
        permit = self.acquire()
        try:
            yield
        except counted:
            if background:
                permit.release()
            else:
                permit.fail()
            raise
        except BaseException:
            permit.release()
            raise
        permit.succeed()

    def _settle(self, era: int, *, failed: bool | None) -> None:
        """Count the outcome of one call; `failed` is None when it says nothing."""
        if era != self._era:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._under_way -= 1
        if failed is None:
            return
        if failed:
            self._failures += 1
            if self._state is BreakerState.HALF_OPEN or self._failures >= self._max_failures:
                self._open()
            return
        self._failures = 0
        if self._state is BreakerState.HALF_OPEN:
            self._successes += 1
            if self._successes >= self._trials:
                self._open_for = 0.0
                self._enter(BreakerState.CLOSED)

    def _open(self) -> None:
        self._opened_at = self._clock.monotonic()
        self._open_for = min(self._max_open, self._open_for * 2 or FIRST_OPEN_SECONDS)
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._era += 1
        self._failures = self._successes = self._under_way = 0
        if self._on_change is not None:
            self._on_change(self.duty, state)


class Permit:
    """Leave for one call. The first outcome that it is told counts, later ones do nothing."""

    __slots__ = ("_breaker", "_era", "_settled")

    def __init__(self, breaker: CircuitBreaker, era: int) -> None:
        self._breaker = breaker
        self._era = era
        self._settled = False

    def succeed(self) -> None:
        """The server did what it was asked."""
        self._tell(failed=False)

    def fail(self) -> None:
        """The server was away, or did not answer."""
        self._tell(failed=True)

    def release(self) -> None:
        """The call says nothing about the server."""
        self._tell(failed=None)

    def _tell(self, *, failed: bool | None) -> None:
        if not self._settled:
            self._settled = True
            self._breaker._settle(self._era, failed=failed)  # noqa: SLF001 - the two are one thing
