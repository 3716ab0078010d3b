"""How a revocation gets into Redis: its key first, then its announcement."""

from __future__ import annotations

from typing import Final, NamedTuple

MARGIN_SECONDS: Final = 300
"""By how much a revocation outlives the oldest token that it is about: the clocks of issuers, and their leeway."""

LONGEST_SECONDS: Final = 10 * 365 * 86_400
"""How long it lives where tokens may live for ever: every key of the gateway's own ends some day."""

WRITE: Final = """
local old = redis.call('GET', KEYS[1])
local kept = ARGV[1]
if old and tonumber(old) and tonumber(old) > tonumber(kept) then kept = old end
redis.call('SET', KEYS[1], kept, 'EX', ARGV[2])
return kept
"""
"""Atomic: of two revocations the later time stands, so that a machine whose clock is behind takes nothing back."""


class Revoked(NamedTuple):
    """What became of a revocation.

    Attributes:
        at: Unix seconds: tokens that were issued until then are refused from now on.
        nodes: how many gateways heard the announcement. Those that did not find the key when they are back, or at
            the next revalidation.
    """

    at: float
    nodes: int


def lifetime(token_max_age: int) -> int:
    """Seconds that a revocation has to live, by the longest life of a token (0: unlimited).

    Raises:
        ValueError: negative.
    """
    if token_max_age < 0:
        raise ValueError(f"token_max_age is {token_max_age}; expected seconds, or 0 for unlimited")
    return min(token_max_age + MARGIN_SECONDS, LONGEST_SECONDS) if token_max_age else LONGEST_SECONDS


def written(at: float) -> str:
    """Unix seconds as they stand in a key."""
    return f"{at:.6f}"
