"""The port of the limits that hold over all nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

BEAT_KEPT_SECONDS: Final = 10.0
"""How long it is kept that a node lived: longer than a wait for its next word, so that its silence is seen."""


class PlaceLimit(NamedTuple):
    """A set of places and how many it may hold.

    Attributes:
        key: the sorted set's name.
        limit: the most members, at least 1.
    """

    key: str
    limit: int


class Claim(NamedTuple):
    """A place that one connection wants in each of some sets: it gets all of them or none.

    Attributes:
        member: the place's name, which nobody else uses.
        limits: the sets, all of one tenant; at least one.
        gone: names of places that were given up and may still be in the sets.
    """

    member: str
    limits: tuple[PlaceLimit, ...]
    gone: tuple[str, ...] = ()


class ClaimAnswer(NamedTuple):
    """What a join was told.

    Attributes:
        values: of the keys asked for, in order; None where there is no such key.
        full: the number of the set that had no place, by the order of the claim; None if the place was given, or none
            was wanted.
    """

    values: list[bytes | None]
    full: int | None


class LimitStore(Protocol):
    """Places that lapse unless they are renewed, and penalties. For one event loop.

    Every method raises `errors.BrokerError` when the server is away, refuses, or does not answer in time; what was
    asked for may have been done all the same.
    """

    async def ask(self, keys: Sequence[str], claim: Claim | None) -> ClaimAnswer:
        """Read string keys and claim a place, in one round trip per server."""
        ...

    async def renew(self, places: Mapping[str, Sequence[str]]) -> None:
        """Hold these places, by set, for another lease; those that were lost are there again. One round trip."""
        ...

    async def give_up(self, places: Mapping[str, Sequence[str]]) -> None:
        """Remove these places, by set. One round trip."""
        ...

    async def holders(self, key: str) -> list[str]:
        """The names of the places in a set, among them such as have lapsed just now."""
        ...

    async def beat(self, run: str, number: int) -> None:
        """Say that a run of a node lives, with another number than before; forgotten after `BEAT_KEPT_SECONDS`."""
        ...

    async def beats(self, runs: Sequence[str]) -> list[bytes | None]:
        """The last numbers of runs; None of one that has said nothing lately. One round trip per server."""
        ...

    async def penalise(self, keys: Mapping[str, float]) -> None:
        """Set these keys for so many seconds each. One round trip."""
        ...
