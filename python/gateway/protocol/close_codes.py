"""Close codes: what each means and whether a client should come back."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class WSCloseCode(IntEnum):
    """Codes of the close handshake. 1000 to 1013 are RFC 6455 §7.4.1 and the IANA registry's; 4000 up are ours."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    ABNORMAL = 1006
    INVALID_PAYLOAD = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    SERVER_ERROR = 1011
    SERVER_OVERLOADED = 1013
    AUTH_FAILED = 4001
    FORBIDDEN = 4003
    RATE_LIMITED = 4029


class CloseCodeMeaning(NamedTuple):
    """What stands in the documentation beside a code."""

    when: str
    reconnect: str


CLOSE_CODES: dict[WSCloseCode, CloseCodeMeaning] = {
    WSCloseCode.NORMAL: CloseCodeMeaning("asked for", "no"),
    WSCloseCode.GOING_AWAY: CloseCodeMeaning(
        "shutdown, drain, or heartbeat timeout (60 to 90 s after the last message)", "yes"
    ),
    WSCloseCode.PROTOCOL_ERROR: CloseCodeMeaning("a frame that RFC 6455 forbids", "no"),
    WSCloseCode.INVALID_PAYLOAD: CloseCodeMeaning("a text message that is not UTF-8", "no"),
    WSCloseCode.UNSUPPORTED_DATA: CloseCodeMeaning("a binary message", "no"),
    WSCloseCode.POLICY_VIOLATION: CloseCodeMeaning("malformed `resume`", "no"),
    WSCloseCode.MESSAGE_TOO_BIG: CloseCodeMeaning("a client message over 64 KiB", "no"),
    WSCloseCode.SERVER_ERROR: CloseCodeMeaning("a fault on our side", "yes"),
    WSCloseCode.SERVER_OVERLOADED: CloseCodeMeaning(
        "slow consumer, Redis away at connect, or a tenant that connects too fast", "yes, with back-off"
    ),
    WSCloseCode.AUTH_FAILED: CloseCodeMeaning("token bad, expired or revoked", "no"),
    WSCloseCode.FORBIDDEN: CloseCodeMeaning("role or branch not allowed, or a refresh for somebody else", "no"),
    WSCloseCode.RATE_LIMITED: CloseCodeMeaning(
        "over 20 messages/s (a bucket of 20, refilled 20 a second), for 60 s, or over a connections limit",
        "no",
    ),
}
"""The codes that the gateway sends. 1006 is not among them: it is what a lost connection is counted as."""


def reason_phrase(code: int) -> str:
    """The reason that goes with a code in the close frame: its name in words, at most 123 bytes (RFC 6455 §5.5)."""
    try:
        return WSCloseCode(code).name.lower().replace("_", " ")
    except ValueError:
        return ""
