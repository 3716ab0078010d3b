"""Why a client is not let in, or not kept, in words."""

from __future__ import annotations

from http import HTTPStatus

from gateway.errors import GatewayError
from gateway.protocol.close_codes import CLOSE_CODES, WSCloseCode

_STATUSES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "it saw no token; a proxy in between may have dropped the subprotocol",
    HTTPStatus.FORBIDDEN: "it does not allow the Origin, or there is no such endpoint",
    HTTPStatus.NOT_FOUND: "there is no such endpoint; is it a gateway, and does --url name its prefix?",
    HTTPStatus.TOO_MANY_REQUESTS: "too many attempts; wait a little",
    HTTPStatus.SERVICE_UNAVAILABLE: "the node is full or draining; try again, or another node",
}


class TailError(GatewayError):
    """A connection did not come about, or ended otherwise than with 1000."""


def explain_status(status: int) -> str:
    """Why a handshake was answered with an HTTP status instead of 101."""
    phrase = next((known.phrase for known in HTTPStatus if known == status), "")
    why = _STATUSES.get(status, "no gateway answers like that; is --url right?")
    return f"the gateway refused the connection with HTTP {status} {phrase}".rstrip() + f": {why}"


def explain_close(code: int, reason: str) -> str:
    """What a close code means, and whether to come back.

    Args:
        code: from the close frame; 1006 where there was none.
        reason: from the close frame; shown only for a code that is none of the gateway's.
    """
    if code == WSCloseCode.ABNORMAL:
        return "the connection was lost without a close frame (1006 ABNORMAL): the gateway or the network is gone"
    try:
        known = WSCloseCode(code)
        meaning = CLOSE_CODES[known]
    except (ValueError, KeyError):
        # Escaped: what a stranger sends must not move the cursor.
        return f"the connection was closed with {code}" + (f": {reason!a}" if reason else "")
    return f"the gateway closed the connection with {code} {known.name}: {meaning.when}; reconnect: {meaning.reconnect}"
