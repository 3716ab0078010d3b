"""Fetching an issuer's keys: one bounded GET, without redirects."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from gateway.errors import KeysAwayError

TIMEOUT_SECONDS = 5.0
"""For the connection, and for each read."""

MAX_BYTES = 256 * 1024
"""A set of keys is a few KB."""


def _make_opener() -> OpenerDirector:
    """Speaks HTTP and HTTPS and nothing else, and follows no redirect.

    Whoever can make the endpoint redirect must not choose whose keys are believed.
    """
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        opener.add_handler(handler)
    return opener


_opener = _make_opener()


def check_jwks_url(url: str) -> None:
    """Refuse what would fetch keys unprotected.

    Raises:
        ValueError: not https (http is for loopback alone), no host, or a user name or password in it.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    if not host or parts.username is not None or parts.password is not None:
        raise ValueError("expected https://host/path, without user name and password")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("expected https://…; http:// is for loopback alone")


def fetch_jwks(url: str) -> bytes:
    """The body of a URL that `check_jwks_url` has passed. Blocks: run it on a thread.

    Raises:
        KeysAwayError: it cannot be reached, answers otherwise than with 200, or with too much.
    """
    request = Request(url, headers={"Accept": "application/jwk-set+json, application/json"})  # noqa: S310 - checked
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            status: int = response.status
            body: bytes = response.read(MAX_BYTES + 1)
    except HTTPError as error:
        error.close()
        status, body = error.code, b""
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise KeysAwayError(f"the issuer's keys at {url} cannot be fetched: {reason}") from None
    if status != HTTPStatus.OK:
        raise KeysAwayError(f"the issuer's keys at {url} answer with HTTP {status}; expected 200")
    if len(body) > MAX_BYTES:
        raise KeysAwayError(f"the issuer's keys at {url} are over {MAX_BYTES} bytes")
    return body


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
