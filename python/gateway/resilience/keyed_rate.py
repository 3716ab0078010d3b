"""How often something may happen, for each of many keys, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from gateway.types import Clock

K = TypeVar("K", bound=Hashable)

MAX_KEYS: Final = 10_000
"""Keys that are remembered, some 150 B each. Beyond it the one that was used longest ago is forgotten, which gives it
its whole burst again: whoever has that many addresses is not to be stopped by counting addresses."""

_ROUNDING: Final = 1e-9


class KeyedRate(Generic[K]):
    """Allows `rate` times a second for each key, and `burst` at once after a pause. For one event loop.

    The generic cell rate algorithm (ITU-T I.371): a key costs one number, the time at which its bucket is full again;
    a full bucket is the same as none, and costs nothing.
    """

    def __init__(self, rate: float, burst: float, clock: Clock, *, max_keys: int = MAX_KEYS) -> None:
        """`rate` 0 is unlimited; `burst` is at least 1."""
        self._interval = 1 / rate if rate else 0.0
        self._tolerance = self._interval * burst + _ROUNDING
        self._clock = clock
        self._max_keys = max_keys
        self._full_at: OrderedDict[K, float] = OrderedDict()

    def take(self, key: K, times: int = 1) -> float:
        """Take so many times: 0.0 if that is allowed, else the seconds after which it will be.

        What is refused costs nothing. More times than `burst` are never allowed together.
        """
        if not self._interval:
            return 0.0
        now = self._clock.monotonic()
        full_at = max(self._full_at.get(key, now), now) + self._interval * times
        if (wait := full_at - now - self._tolerance) > 0:
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._max_keys or next(iter(self._full_at.values())) <= now:
            self._full_at.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        """Keys that are remembered."""
        return len(self._full_at)
