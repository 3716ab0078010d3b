"""What a token gives a connection, and whether that still holds at the moment in which it is given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from gateway.auth.identity import Identity
from gateway.auth.revocation import judge, keys_for
from gateway.fanout.base import ConnectionIdentity
from gateway.hub.label import Label
from gateway.hub.profiles import EndpointProfile
from gateway.types import Clock

K = TypeVar("K")
V = TypeVar("V")

MEMORY_SECONDS = 30.0
"""How long an announcement is remembered: longer than a join or a refresh may take (`manager.JOIN_SECONDS`)."""

MEMORY_ENTRIES = 100_000
"""Announcements that are remembered, some 200 B each; beyond it the oldest goes, and a connection that was joining just
then is closed at its next revalidation only."""


class CheckIntervals(NamedTuple):
    """Seconds between two revalidations."""

    staff: float
    diner: float


class _Memory(Generic[K, V]):
    """A mapping that forgets after `MEMORY_SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        now = self._clock.monotonic()
        self._entries.pop(key, None)
        self._entries[key] = (now + MEMORY_SECONDS, value)
        while len(self._entries) > MEMORY_ENTRIES or next(iter(self._entries.values()))[0] <= now:
            self._entries.popitem(last=False)

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        return None if entry is None or entry[0] <= self._clock.monotonic() else entry[1]

    def __contains__(self, key: K) -> bool:
        entry = self._entries.get(key)
        return entry is not None and self._clock.monotonic() < entry[0]


class Rights:
    """Turns a checked token into what the core is to know, and catches what was announced since the check.

    A join asks Redis whether its token is revoked, then waits for other answers, then attaches. An announcement that
    comes in between finds no connection to close. It is remembered here, and looked at in the step that attaches.

    For one event loop.
    """

    def __init__(self, intervals: CheckIntervals, clock: Clock) -> None:
        self._intervals = intervals
        self._revoked: _Memory[str, bytes] = _Memory(clock)
        self._sectors: _Memory[tuple[int, str], None] = _Memory(clock)
        self._on_overtaken: Callable[[int, str], None] = _nobody

    def bind(self, on_overtaken: Callable[[int, str], None]) -> None:
        """Set who is told, by tenant and user, that a connection is about to get sectors which may be old already."""
        self._on_overtaken = on_overtaken

    def remember_revocation(self, key: str, value: bytes) -> None:
        """A revocation was announced; `value` is what stands in its key."""
        self._revoked.put(key, value)

    def remember_sectors(self, tenant: int, user: str) -> None:
        """A user's sectors were announced to have changed."""
        self._sectors.put((tenant, user), None)

    def grant(self, profile: EndpointProfile, identity: Identity, since: int, place: int) -> ConnectionIdentity:
        """What the core is to know of a connection. Give it to the core in the same step, without an `await`.

        Args:
            profile: the endpoint.
            identity: of a token that was checked within the last `MEMORY_SECONDS`.
            since: Unix seconds of the connect.
            place: see `Label`.

        Raises:
            RevokedError: the token was revoked since it was checked.
        """
        judge(identity, [self._revoked.get(key) for key in keys_for(identity)])
        if profile.sectors and identity.sectors is None and (identity.tenant, identity.subject) in self._sectors:
            self._on_overtaken(identity.tenant, identity.subject)
        label = Label(profile.name, identity.sectors is not None, since, identity.issued_at, place)
        every = self._intervals.staff if identity.kind == "staff" else self._intervals.diner
        return ConnectionIdentity(
            identity.tenant, identity.keys, identity.expires_at, label.encode(), check_every=every
        )


def _nobody(_tenant: int, _user: str) -> None:
    """Told while nobody is bound."""
