"""What every part stands on, and how often Redis is asked when it is away."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from gateway.resilience.circuit_breaker import CircuitBreaker
from gateway.resilience.jitter import DecorrelatedJitter
from gateway.settings import Settings
from gateway.telemetry.metrics import Metrics
from gateway.types import Clock

LINK_OPEN_SECONDS: Final = 5.0
"""The longest time between two attempts of one link to connect, however long Redis is away: a node that asks this often
is no load for it."""


@dataclass(frozen=True, slots=True)
class Ground:
    """From one start to its stop.

    Attributes:
        settings: as the gateway was given them.
        metrics: of the process.
        clock: of everything.
        stack: unwound at the stop, the last first.
    """

    settings: Settings
    metrics: Metrics
    clock: Clock
    stack: AsyncExitStack

    @property
    def development(self) -> bool:
        """Whether this is a developer's machine, by its own word."""
        return self.settings.environment == "development"

    def breaker(self, duty: str, longest: float | None = None) -> CircuitBreaker:
        """A breaker as the settings say, open for at most `longest` seconds."""
        settings = self.settings
        return CircuitBreaker(
            duty,
            self.clock,
            failures=settings.breaker_failures,
            open_seconds=settings.breaker_open if longest is None else min(settings.breaker_open, longest),
            trials=settings.breaker_trials,
            on_change=self.metrics.on_breaker,
        )

    def link_breaker(self, duty: str) -> CircuitBreaker:
        """For a connection that stays: one attempt at a time, and what is not heard meanwhile is lost or late."""
        return self.breaker(duty, LINK_OPEN_SECONDS)


def asking_again() -> DecorrelatedJitter:
    """The waits of one part of the hub before it asks Redis again; the breaker of commands bounds what that costs."""
    return DecorrelatedJitter(cap=5.0)


def connecting_again() -> DecorrelatedJitter:
    """The waits of one link: it is back within a second of a short cut, and five failures take longer than one."""
    return DecorrelatedJitter(base=0.5, cap=LINK_OPEN_SECONDS)
