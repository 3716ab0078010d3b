"""Values that are written as lists in one environment variable, and URLs."""

from __future__ import annotations

import re
from typing import Any

from gateway.redis_url import parse_redis_url

_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def comma_list(value: Any) -> Any:
    """Split `a, b` at its commas; empty parts are left out. What is not a string is left to the type."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def keyed_secrets(value: Any) -> Any:
    """Read `kid:secret,kid:secret` into a mapping. What is not a string is left to the type.

    A secret may hold colons, but no comma.

    Raises:
        ValueError: an entry without colon, a bad or repeated kid, an empty secret; the text holds no secret.
    """
    return _pairs(value, "kid", "secret")


def named_keys(value: Any) -> Any:
    """The same for `name:key,name:key`."""
    return _pairs(value, "name", "key")


def _pairs(value: Any, left: str, right: str) -> Any:
    if not isinstance(value, str):
        return value
    secrets: dict[str, str] = {}
    for number, part in enumerate(comma_list(value), start=1):
        name, colon, secret = part.partition(":")
        if not colon or not secret:
            raise ValueError(f"entry {number} is not {left}:{right}; expected {left}:{right},{left}:{right}")
        # Not quoted in the error: whoever forgot the colon's left side may have written the secret there.
        if not _KID.fullmatch(name):
            raise ValueError(f"entry {number} has a bad {left}; expected 1 to 64 of A-Z a-z 0-9 . _ -")
        if name in secrets:
            raise ValueError(f"entry {number} repeats an earlier {left}; expected every {left} once")
        secrets[name] = secret
    return secrets


def checked_redis_url(value: str) -> str:
    """Check that the URL can be understood; what stands in its query is the client library's to judge.

    Raises:
        ValueError: not such a URL; the text does not quote it, since it may hold a password.
    """
    if value:
        try:
            parse_redis_url(value)
        except ValueError as error:
            raise ValueError(f"{error}; or nothing for the embedded server") from None
    return value
