"""Real staff tokens for the bench's clients."""

from __future__ import annotations

import itertools

from gateway.auth.jwt import issue_staff_token
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock

_users = itertools.count(1)


def staff_targets(path: str, count: int) -> list[str]:
    """`path` with `count` tokens of as many users, none of whom was there before: a gateway must check each."""
    return [f"{path}?token={_token(next(_users))}" for _ in range(count)]


def _token(user: int) -> str:
    return issue_staff_token(
        DEVELOPMENT_SECRET,
        tenant=1,
        user=str(user),
        branches=[5],
        roles=["WAITER"],
        # In the token, so that Redis is not asked for them: a comparison with a server without sectors is fair.
        sectors=[],
        expires_in=7_200,
        clock=SystemClock(),
    )
