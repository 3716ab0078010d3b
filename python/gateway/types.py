"""The words everything is built from. Imports nothing of ours."""

from __future__ import annotations

import time
from typing import NamedTuple, NewType, Protocol

ConnectionId = NewType("ConnectionId", int)
"""A connection of this node. Never reused while the process lives."""

MAX_ID = 2**53 - 1
"""Largest tenant, branch, session and sector id: the largest integer that JavaScript holds exactly (RFC 7493 §2.2)."""


class Room(NamedTuple):
    """One branch of one tenant: the unit of order, history, subscription and locking.

    The tenant is part of the key, so another tenant's branch cannot even be looked up; this is the seed's
    `TenantFilter`, made into something that cannot be forgotten.
    """

    tenant: int
    branch: int


class Clock(Protocol):
    """Where time comes from. Tests hand in one that they move."""

    def monotonic(self) -> float:
        """Seconds that never go back, for intervals."""
        ...

    def time(self) -> float:
        """Unix seconds, for what tokens say."""
        ...


class SystemClock:
    """The machine's clocks. Thread-safe."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def time(self) -> float:
        """See `Clock.time`."""
        return time.time()
