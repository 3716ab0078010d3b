"""Audiences and the Redis channels that are spelled like them (product terms: who may hear what)."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from gateway.types import MAX_ID


class AudienceKind(StrEnum):
    """The five kinds of audience; the value is the audience's name with `{}` for the id."""

    WAITERS = "branch:{}:waiters"
    KITCHEN = "branch:{}:kitchen"
    ADMIN = "branch:{}:admin"
    SECTOR = "sector:{}:waiters"
    SESSION = "session:{}"

    def of(self, number: int) -> str:
        """The audience of this kind with an id."""
        return _name(self, number)


# Bounded: the names of what is busy are made once, and not for each of its events.
@lru_cache(maxsize=16_384)
def _name(kind: AudienceKind, number: int) -> str:
    return kind.value.format(number)


PATTERNS = tuple(kind.value.format("*") for kind in AudienceKind)
"""The seed's five subscription patterns (`GATEWAY_PUBSUB=patterns`)."""

CHANNEL_FORMS = ", ".join(kind.of(5) for kind in AudienceKind)
"""One channel of each kind, for who has written none."""

AUDIENCE_MEMBERS: dict[AudienceKind, str] = {
    AudienceKind.WAITERS: "`/ws/waiter` connections of the branch",
    AudienceKind.KITCHEN: "`/ws/kitchen` connections of the branch",
    AudienceKind.ADMIN: "`/ws/admin` connections of the branch, and MANAGER or ADMIN users on any staff endpoint",
    AudienceKind.SECTOR: "`/ws/waiter` connections whose user is assigned to the sector",
    AudienceKind.SESSION: "`/ws/diner` connections of the table session",
}
"""Who is in an audience of each kind, for the documentation."""


class Channel(NamedTuple):
    """A parsed channel name."""

    kind: AudienceKind
    number: int


# An id is written in one way only: decimal, no sign, no leading zero. Otherwise `branch:05:kitchen` would be a
# second name of an audience, and a pattern subscription would let it through.
_ID = "([1-9][0-9]{0,15})"
_CHANNELS = tuple((kind, re.compile(kind.value.format(_ID), re.ASCII)) for kind in AudienceKind)


# Bounded: a node hears few distinct channels, and a producer that invents names must not grow it.
@lru_cache(maxsize=16_384)
def parse_channel(name: str) -> Channel | None:
    """What a channel name means; None when it is none of the gateway's. Matched whole. Thread-safe."""
    for kind, pattern in _CHANNELS:
        if (match := pattern.fullmatch(name)) is not None:
            number = int(match[1])
            return Channel(kind, number) if number <= MAX_ID else None
    return None
