"""Which Redis a URL means: one server, one watched by Sentinels, or a cluster. No I/O, and no client library.

Settings, the broker and the publishers of back ends all read URLs by this page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit


class RedisKind(StrEnum):
    """How the servers behind a URL are found."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class _Scheme:
    """One kind of URL.

    Attributes:
        kind: how servers are found.
        plain: the scheme of a single server that is reached in the same way.
        port: where no port is given.
        example: a URL that would be accepted.
        meaning: for the documentation.
    """

    kind: RedisKind
    plain: str
    port: int
    example: str
    meaning: str


SCHEMES: Final[dict[str, _Scheme]] = {
    "redis": _Scheme(RedisKind.SINGLE, "redis", 6379, "redis://127.0.0.1:6379/0", "one server, by TCP"),
    "rediss": _Scheme(
        RedisKind.SINGLE,
        "rediss",
        6379,
        "rediss://redis.example:6380/0?ssl_ca_certs=/etc/redis/ca.pem",
        "the same by TLS; certificate and host name are verified",
    ),
    "unix": _Scheme(RedisKind.SINGLE, "unix", 0, "unix:///run/redis/redis.sock?db=0", "one server, by a Unix socket"),
    "redis+sentinel": _Scheme(
        RedisKind.SENTINEL,
        "redis",
        26379,
        "redis+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster/0",
        "the master of that name, as the Sentinels say; user and password are those of the data servers, "
        "`sentinel_username` and `sentinel_password` in the query those of the Sentinels",
    ),
    "rediss+sentinel": _Scheme(
        RedisKind.SENTINEL,
        "rediss",
        26379,
        "rediss+sentinel://sentinel-1:26379,sentinel-2:26379/mymaster/0",
        "the same, Sentinels and data servers both by TLS",
    ),
    "redis+cluster": _Scheme(
        RedisKind.CLUSTER,
        "redis",
        6379,
        "redis+cluster://node-1:6379,node-2:6379",
        "a Redis or Valkey cluster; some of its nodes are enough",
    ),
    "rediss+cluster": _Scheme(
        RedisKind.CLUSTER,
        "rediss",
        6379,
        "rediss+cluster://node-1:6379,node-2:6379",
        "the same by TLS; the nodes' certificates must name the addresses that they announce",
    ),
}
"""Every kind of URL."""

_MASK: Final = "***"
_HOST: Final = r"(\[[^\]]*\]|[^:,@\[\]]*)(:[0-9]+)?"
_HOSTS: Final = re.compile(rf"{_HOST}(,{_HOST})*")


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL that was understood. Immutable. Its `repr` holds no password.

    Attributes:
        kind: how the servers are found.
        shown: the URL without its passwords, for logs and errors.
        hosts: Sentinels, or nodes of a cluster, as (host, port); empty for a single server.
        plain: a single server's URL in redis-py's spelling, with all options; what stands in it besides host and port
            holds for every data server.
        service: what the Sentinels call the master; empty elsewhere.
        sentinel_username: for the Sentinels; None: no login.
        sentinel_password: for the Sentinels; None: no login.
    """

    kind: RedisKind
    shown: str
    hosts: tuple[tuple[str, int], ...] = ()
    plain: str = field(repr=False, default="")
    service: str = ""
    sentinel_username: str | None = field(repr=False, default=None)
    sentinel_password: str | None = field(repr=False, default=None)


def redact_url(url: str) -> str:
    """The URL as logs and errors may show it: every password in it is replaced. Never raises. Thread-safe.

    What does not look like one of our URLs is not shown at all: in a malformed one the password may stand anywhere.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed)"
    login, at, hosts = parts.netloc.rpartition("@")
    if parts.scheme not in SCHEMES or not _HOSTS.fullmatch(hosts):
        return "(malformed)"
    user, colon, _ = login.partition(":")
    query = "&".join(
        f"{name}={_MASK if 'password' in name.lower() else value}" for name, value in parse_qsl(parts.query)
    )
    return f"{parts.scheme}://{user}{colon and f':{_MASK}'}{at}{hosts}{parts.path}{query and f'?{query}'}"


def parse_redis_url(url: str) -> RedisUrl:
    """Understand a URL. What stands in its query is the client library's to judge, later. Thread-safe.

    Raises:
        ValueError: it is malformed, or of an unknown kind; the text says what was expected and holds no password.
    """
    scheme = SCHEMES.get(url.partition(":")[0])
    if scheme is None:
        expected = ", ".join(f"{name}://" for name in SCHEMES)
        raise ValueError(
            f"not a Redis URL: unknown scheme; expected one of {expected}, for example {SCHEMES['redis'].example}"
        )
    try:
        parts = urlsplit(url)
        hosts = _hosts(parts, scheme)
    except ValueError:
        # The library's own text is not passed on: it quotes the part that it did not understand.
        raise _malformed("its host or its port cannot be read", scheme) from None
    match scheme.kind:
        case RedisKind.SINGLE:
            return _single(url, parts, hosts, scheme)
        case RedisKind.SENTINEL:
            return _sentinel(url, parts, hosts, scheme)
        case RedisKind.CLUSTER:
            return _cluster(url, parts, hosts, scheme)


def _single(url: str, parts: SplitResult, hosts: list[tuple[str, int]], scheme: _Scheme) -> RedisUrl:
    if parts.scheme == "unix":
        if not parts.path:
            raise _malformed("it names no socket", scheme)
        return RedisUrl(RedisKind.SINGLE, redact_url(url), plain=url)
    if len(hosts) > 1:
        raise _malformed("it names several servers, for which there are redis+sentinel:// and redis+cluster://", scheme)
    _need_hosts(hosts, scheme)
    _need_database(parts.path.strip("/"), scheme)
    return RedisUrl(RedisKind.SINGLE, redact_url(url), plain=url)


def _sentinel(url: str, parts: SplitResult, hosts: list[tuple[str, int]], scheme: _Scheme) -> RedisUrl:
    _need_hosts(hosts, scheme)
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise _malformed("it does not name the master that the Sentinels watch", scheme)
    _need_database(database, scheme)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    user, password = query.pop("sentinel_username", None), query.pop("sentinel_password", None)
    return RedisUrl(
        RedisKind.SENTINEL,
        redact_url(url),
        tuple(hosts),
        _plain(parts, hosts[0], database, query, scheme),
        unquote(service),
        user,
        password,
    )


def _cluster(url: str, parts: SplitResult, hosts: list[tuple[str, int]], scheme: _Scheme) -> RedisUrl:
    _need_hosts(hosts, scheme)
    if parts.path not in ("", "/", "/0"):
        raise _malformed("a cluster has database 0 alone", scheme)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    plain = _plain(parts, hosts[0], "", query, scheme)
    return RedisUrl(RedisKind.CLUSTER, redact_url(url), tuple(hosts), plain)


def _plain(parts: SplitResult, host: tuple[str, int], database: str, query: dict[str, str], scheme: _Scheme) -> str:
    login, at, _ = parts.netloc.rpartition("@")
    name, port = host
    shown = f"[{name}]" if ":" in name else name
    options = f"?{urlencode(query)}" if query else ""
    return f"{scheme.plain}://{login}{at}{shown}:{port}/{database}{options}"


def _hosts(parts: SplitResult, scheme: _Scheme) -> list[tuple[str, int]]:
    listed = parts.netloc.rpartition("@")[2]
    if not listed:
        return []
    if not _HOSTS.fullmatch(listed):
        raise ValueError
    found = []
    for host in listed.split(","):
        one = urlsplit(f"//{host}")
        found.append((one.hostname or "", one.port or scheme.port))
    return found


def _need_hosts(hosts: list[tuple[str, int]], scheme: _Scheme) -> None:
    if not hosts or not all(name for name, _ in hosts):
        raise _malformed("it names no host", scheme)


def _need_database(text: str, scheme: _Scheme) -> None:
    if text and not (text.isascii() and text.isdigit()):
        raise _malformed("its database is no number", scheme)


def _malformed(what: str, scheme: _Scheme) -> ValueError:
    return ValueError(f"not a Redis URL: {what}; expected one like {scheme.example}")
