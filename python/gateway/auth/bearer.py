"""Where a handshake or a request carries its token."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

SUBPROTOCOL = "bearer"
"""What stands in front of the token in `Sec-WebSocket-Protocol`, and what the gateway answers then."""


class BearerToken(NamedTuple):
    """What was found.

    Attributes:
        token: the token, well-formed or not; None if there is none.
        subprotocol: what to answer in the accepted handshake; None if nothing was agreed.
    """

    token: str | None
    subprotocol: str | None


def token_from(query_value: str | None, subprotocols: Sequence[str]) -> BearerToken:
    """Take the token from the subprotocol pair `bearer, <token>`, else from the query; an empty one is none.

    Browsers cannot set headers on a WebSocket, and a URL ends up in the logs of every proxy on its way.

    Args:
        query_value: the query parameter; None if it is not there.
        subprotocols: what the client offers, in order.
    """
    # Names are compared exactly, since they are case-sensitive (RFC 6455 §11.5).
    for name, value in pairwise(subprotocols):
        if name == SUBPROTOCOL and value:
            return BearerToken(value, SUBPROTOCOL)
    return BearerToken(query_value or None, None)


def token_of_header(authorization: str | None) -> str | None:
    """What the header `Authorization: Bearer <token>` gives (RFC 6750 §2.1), which may be empty; None if it is another.

    Args:
        authorization: the header's value; None if it is not there.
    """
    scheme, _, given = (authorization or "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None
