"""How many messages a client may send."""

from __future__ import annotations


class TokenBucket:
    """A bucket of `rate` tokens, refilled continuously at `rate` a second. One per connection; not thread-safe.

    The textbook algorithm (ITU-T I.371's continuous-state leaky bucket, seen from the other side): any burst of
    `rate` messages passes, and in any `t` seconds at most `rate * (t + 1)` do.
    """

    __slots__ = ("_rate", "_stamp", "_tokens")

    def __init__(self, rate: int, now: float) -> None:
        """`rate` in messages a second, 0 for unlimited; `now` in monotonic seconds."""
        self._rate = rate
        self._tokens = float(rate)
        self._stamp = now

    def take(self, now: float) -> bool:
        """Take a token for one message; False when there is none. `now` in monotonic seconds."""
        if self._rate == 0:
            return True
        self._tokens = min(float(self._rate), self._tokens + (now - self._stamp) * self._rate)
        self._stamp = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
