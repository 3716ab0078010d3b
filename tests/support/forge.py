"""Tokens made by hand, byte by byte, so that tests can make what no issuer would."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

NOW = 1_800_000_000.0
SECRET = "a secret of the tests, longer than 32 bytes"
OTHER_SECRET = "another secret of the tests, as long as that"


@dataclass
class ForgeClock:
    """Stands still until a test moves it."""

    now: float = NOW

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


STAFF: dict[str, Any] = {
    "sub": "12",
    "tenant_id": 7,
    "branch_ids": [5, 6],
    "roles": ["WAITER"],
    "iat": int(NOW),
    "exp": int(NOW) + 3600,
    "jti": "0123456789abcdef",
}
"""Claims of a good staff token."""

TABLE: dict[str, Any] = {
    "tenant_id": 7,
    "branch_id": 5,
    "table_id": 42,
    "session_id": 77,
    "iat": int(NOW),
    "exp": int(NOW) + 3600,
}
"""Members of a good table token."""

ABSENT = object()
"""As a changed claim: leave it out."""


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def changed(claims: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (claims | changes).items() if value is not ABSENT}


def sign(signed: str, secret: str = SECRET) -> str:
    return b64(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))


def jwt_of(
    claims: Any, *, header: dict[str, Any] | None = None, secret: str = SECRET, signature: str | None = None
) -> str:
    """A JWT of any header and payload; bytes are taken as the payload itself."""
    top = {"alg": "HS256", "typ": "JWT"} if header is None else header
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    signed = f"{b64(json.dumps(top).encode())}.{b64(payload)}"
    return f"{signed}.{sign(signed, secret) if signature is None else signature}"


def table_of(members: Any, *, version: str = "v1", secret: str = SECRET, signature: str | None = None) -> str:
    """A table token of any payload; bytes are taken as the payload itself."""
    payload = members if isinstance(members, bytes) else json.dumps(members).encode()
    signed = f"{version}.{b64(payload)}"
    return f"{signed}.{sign(signed, secret) if signature is None else signature}"
