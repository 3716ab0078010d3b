"""Where tokens come from."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

TokenProvider = str | Callable[[], str | Awaitable[str]]
"""A token, or what gives one: it is called for each attempt to connect, and before a token expires."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class Ask(Protocol):
    """Asks the provider. One of the two is called, later or at once."""

    def __call__(self, given: Callable[[str], None], failed: Callable[[Exception], None], /) -> None:
        """See the class."""
        ...


def checked_token(token: object) -> str:
    """A token that can go as a subprotocol, whose characters RFC 9110 §5.6.2 lists.

    Raises:
        ValueError: it cannot.
    """
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise ValueError("this is no token (it is not shown); expected a JWT or a table token as text")
    return token
