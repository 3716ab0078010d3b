"""Where a client connects."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import quote, urlsplit

Endpoint = Literal["waiter", "kitchen", "admin", "diner"]
"""The gateway's endpoints; the token decides which of them admit."""


class Address:
    """The URL of an endpoint. Immutable, thread-safe.

    Args:
        url: the gateway's: ws:// or wss://, with the prefix under which it is mounted, without `/ws/…`.
        endpoint: one of `Endpoint`.

    Raises:
        ValueError: it cannot be connected to. What is wrong is not shown where it may hold a token.
    """

    def __init__(self, url: str, endpoint: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"not the URL of a gateway: {url!r}; expected ws://host:port or wss://host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("a gateway's URL has no query, fragment or user; the token is given apart from it")
        if endpoint not in get_args(Endpoint):
            raise ValueError(f"no endpoint {endpoint!r}; expected one of {', '.join(get_args(Endpoint))}")
        self._url = f"{url.rstrip('/')}/ws/{endpoint}"

    def resuming(self, resume: str) -> str:
        """The URL that asks for what came after `resume`; as it is where that is empty."""
        return f"{self._url}?resume={quote(resume, safe='')}" if resume else self._url
