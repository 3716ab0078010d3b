"""How much of everything: the bounded form that every test run affords, or the full one of `make faults`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

FULL: Final = bool(os.environ.get("FAULTS_FULL"))
"""Whether this is the full form."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The numbers that differ.

    Attributes:
        rounds: how often a fault is repeated in one world.
        calm: seconds of ordinary traffic before each fault and after it.
        every: seconds between two events of one producer; so many that history reaches back over an outage and the
            time that a breaker may be open behind it.
        lease: of the relay, in seconds.
        stops_lease: the same where relays are stopped, two dozen times.
        settings: of every node; the full form runs what is shipped.
    """

    rounds: int
    calm: float
    every: float
    lease: float
    stops_lease: float
    settings: tuple[tuple[str, str], ...]


SCALE: Final = (
    Scale(rounds=3, calm=2.0, every=0.05, lease=10.0, stops_lease=3.0, settings=())
    if FULL
    else Scale(
        rounds=1,
        calm=0.5,
        every=0.025,
        lease=1.0,
        stops_lease=1.0,
        settings=(("GATEWAY_RELAY_LEASE", "1"), ("GATEWAY_BREAKER_OPEN", "0.5")),
    )
)
