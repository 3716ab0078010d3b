"""The Origin of a browser (RFC 6454), against web pages that connect with somebody else's browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

MAX_PORT = 65_535

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?)(?::([0-9]{1,5}))?")


class OriginPolicy:
    """Decides whether a handshake's Origin is welcome. Immutable, thread-safe."""

    def __init__(self, allowed: Sequence[str], *, allow_any: bool = False) -> None:
        """Take the origins that are allowed.

        Args:
            allowed: `scheme://host` or `scheme://host:port`, each in full.
            allow_any: let every Origin in; for development.

        Raises:
            SettingsError: an entry that is no origin.
        """
        self._allow_any = allow_any
        self._allowed = frozenset(_entry(text) for text in allowed)

    def allows(self, origin: str | None) -> bool:
        """Judge the Origin header as it came; None for a handshake without one, which no browser makes.

        `null`, which sandboxed frames and local files send, is nobody in particular and matches no entry.
        """
        if origin is None or self._allow_any:
            return True
        return normalise(origin) in self._allowed


def normalise(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port, in the one spelling that compares (RFC 6454 §4); None if it is no such origin.

    Compared whole, never by beginning or end, so that `https://app.example.com.evil.org` is somebody else.
    """
    # Before lower(): some characters outside ASCII become ASCII letters by it.
    if not origin.isascii() or (match := _ORIGIN.fullmatch(origin.lower())) is None:
        return None
    scheme, host, digits = match.groups()
    port = int(digits) if digits else DEFAULT_PORTS.get(scheme)
    if port is not None and not 0 < port <= MAX_PORT:
        return None
    return scheme, host, port


def _entry(text: str) -> tuple[str, str, int | None]:
    origin = normalise(text)
    if origin is None:
        raise SettingsError(
            f"GATEWAY_ALLOWED_ORIGINS holds {text!r}: expected scheme://host or scheme://host:port, in ASCII, without "
            "path, slash at the end or wildcard; list every origin by itself"
        )
    return origin
