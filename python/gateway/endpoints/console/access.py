"""Who may open the console, and from which pages."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from itertools import pairwise
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.requests import HTTPConnection

from gateway.auth.bearer import BearerToken, token_from, token_of_header
from gateway.endpoints.api.access import holder_of
from gateway.endpoints.api.keys import KeyHolder
from gateway.endpoints.edge import Edge
from gateway.endpoints.operator import is_local

SUBPROTOCOL_BASE64URL = "bearer-base64url"
"""What stands in front of a key that is written in base64url, unpadded: a subprotocol cannot hold every character
that a key may have (RFC 6455 §4.1: visible ASCII without separators)."""

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Access(StrEnum):
    """What the console asks of whoever opens it from where a request came."""

    KEY = "key"
    OPEN = "open"
    CLOSED = "closed"


def access_of(edge: Edge, connection: HTTPConnection) -> Access:
    """The same rule as for the operator API: without a key, only a developer's own machine.

    Open means that no key is sent, so a page of somebody else could ask in the name of whoever reads it. It cannot
    here: its name for this machine, if it found one, is none of this machine's own (DNS rebinding).
    """
    if edge.api.keys:
        return Access.KEY
    if edge.development and is_local(connection) and connection.url.hostname in LOCAL_NAMES:
        return Access.OPEN
    return Access.CLOSED


def holder_from(edge: Edge, connection: HTTPConnection, given: str | None) -> KeyHolder | None:
    """Who shows this key, or comes without one where that is allowed; None for nobody."""
    if access_of(edge, connection) is Access.CLOSED:
        return None
    try:
        return holder_of(edge, connection, given)
    except HTTPException:
        return None


def key_from(connection: HTTPConnection) -> BearerToken:
    """The key that a handshake or a request brings; never from its URL, which ends up in logs.

    It comes as `Authorization: Bearer <key>`, or as the subprotocol pair `bearer, <key>`, or as the pair
    `bearer-base64url, <key in base64url>`.
    """
    if (given := token_of_header(connection.headers.get("authorization"))) is not None:
        return BearerToken(given, None)
    offered = connection.scope.get("subprotocols", ())
    for name, value in pairwise(offered):
        if name == SUBPROTOCOL_BASE64URL:
            return BearerToken(_decoded(value), SUBPROTOCOL_BASE64URL)
    return token_from(None, offered)


def is_own_page(connection: HTTPConnection) -> bool:
    """Whether a request comes from a page of this host, or from no page at all (no Origin: no browser)."""
    origins = connection.headers.getlist("origin")
    if not origins:
        return True
    hosts = connection.headers.getlist("host")
    return len(origins) == 1 and len(hosts) == 1 and urlsplit(origins[0]).netloc.lower() == hosts[0].lower()


def _decoded(value: str) -> str:
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""  # which is no key, and refused like any wrong one
