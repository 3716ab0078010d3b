"""Who was closed for abuse is refused for a while, on every node."""

from __future__ import annotations

from collections.abc import Callable

from gateway.broker.limits_base import LimitStore
from gateway.errors import AbuseError
from gateway.hub.base import LimitObserver
from gateway.protocol.limit_keys import abuse_key
from gateway.types import Clock

PENALTY_SECONDS = 60.0
"""For a user, or a table session, of which a connection was closed for its message rate."""

MAX_PENALTIES = 10_000
"""That are remembered here, some 150 B each; beyond it the oldest is in Redis alone."""


class Penalties:
    """Remembers penalties of the last minute, and writes them for the other nodes. For one event loop.

    This node refuses at once; the others as soon as the key is written, which happens in the background.
    """

    def __init__(
        self, store: LimitStore, observer: LimitObserver, clock: Clock, on_penalty: Callable[[], None]
    ) -> None:
        """`on_penalty` is told that there is something to be written."""
        self._store = store
        self._observer = observer
        self._clock = clock
        self._on_penalty = on_penalty
        self._until: dict[str, float] = {}  # in the order in which they end, since all last equally long
        self._unwritten: set[str] = set()

    def impose(self, tenant: int, key: str) -> None:
        """Refuse this user or table session (`user:12`, `session:77`) from now on, for `PENALTY_SECONDS`."""
        name = abuse_key(tenant, key)
        self._until.pop(name, None)
        self._until[name] = self._clock.monotonic() + PENALTY_SECONDS
        if len(self._until) > MAX_PENALTIES:
            self._forget(next(iter(self._until)))
        self._unwritten.add(name)
        self._observer.on_penalty()
        self._on_penalty()

    def check(self, tenant: int, key: str) -> None:
        """Return if this node knows of no penalty.

        Raises:
            AbuseError: it does.
        """
        now = self._clock.monotonic()
        while self._until and next(iter(self._until.values())) <= now:
            self._forget(next(iter(self._until)))
        if abuse_key(tenant, key) in self._until:
            raise AbuseError("closed for its message rate a moment ago")

    @property
    def to_write(self) -> bool:
        """Whether another node is still to be told of one."""
        return bool(self._unwritten)

    async def flush(self) -> None:
        """Write what is new, for as long as it still lasts.

        Raises:
            BrokerError: it stays to be written.
        """
        now = self._clock.monotonic()
        batch = {name: left for name in self._unwritten if (left := self._until[name] - now) > 0}
        await self._store.penalise(batch)
        self._unwritten -= batch.keys()

    def _forget(self, name: str) -> None:
        del self._until[name]
        self._unwritten.discard(name)
