"""Redis URLs: which are understood, and how one is shown without its password."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from gateway.errors import BrokerError

SCHEMES = ("redis", "rediss", "unix")
"""Schemes that name one server; redis-py documents their parts (`ConnectionPool.from_url`)."""

_LATER = ("redis+sentinel", "redis+cluster")

_MASK = "***"
_HOSTS = re.compile(r"(\[[^\]]*\]|[^:,@]*)(:[0-9]+)?(,(\[[^\]]*\]|[^:,@]*)(:[0-9]+)?)*")


def redact_url(url: str) -> str:
    """The URL as logs and errors may show it: every password in it is replaced. Never raises. Thread-safe.

    What does not look like one of our URLs is not shown at all: in a malformed one the password may stand anywhere.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed)"
    login, at, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in SCHEMES + _LATER or not _HOSTS.fullmatch(hosts):
        return "(malformed)"
    user, colon, _ = login.partition(":")
    query = "&".join(
        f"{name}={_MASK if 'password' in name.lower() else value}" for name, value in parse_qsl(parts.query)
    )
    return f"{parts.scheme}://{user}{colon and f':{_MASK}'}{at}{hosts}{parts.path}{query and f'?{query}'}"


def check_url(url: str) -> None:
    """Refuse a URL that names no single server, before anything is connected.

    Raises:
        BrokerError: the scheme is unknown or not served yet, or the URL is malformed.
    """
    shown = redact_url(url)
    scheme = url.partition(":")[0]
    if scheme in _LATER:
        raise BrokerError(
            f"the Redis URL {shown} asks for {scheme.removeprefix('redis+')}, which this version does not serve; "
            "give the URL of one server: redis://host:6379/0"
        )
    if scheme not in SCHEMES:
        expected = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise BrokerError(f"the Redis URL has an unknown scheme; expected one of {expected}")
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError:
        # The library's own text is not passed on: it quotes the part that it did not understand.
        raise BrokerError(
            f"the Redis URL is malformed: its host or its port cannot be read; expected {scheme}://host:6379/0"
        ) from None
    if scheme == "unix" and not parts.path:
        raise BrokerError(f"the Redis URL {shown} names no socket; expected unix:///path/to/redis.sock?db=0")
    if scheme != "unix" and not parts.hostname:
        raise BrokerError(f"the Redis URL {shown} names no host; expected {scheme}://host:6379/0")
