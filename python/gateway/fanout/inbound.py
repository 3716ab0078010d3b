"""What a client's ASGI message means. No I/O, no state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

from gateway.protocol.close_codes import WSCloseCode
from gateway.protocol.messages import is_ping

NO_STATUS = 1005
"""RFC 6455 §7.4.1: the peer closed without a code. ASGI's default for `websocket.disconnect`."""


class Disconnected(NamedTuple):
    """The peer is gone, with this code."""

    code: int


class Refused(NamedTuple):
    """The message breaks a rule: close with this code."""

    code: WSCloseCode


class Heartbeat(Enum):
    """The client says that it is there."""

    PING = "ping"


class ClientText(NamedTuple):
    """A text for Python to answer."""

    text: str


Inbound = Disconnected | Refused | Heartbeat | ClientText


def read_message(message: Mapping[str, Any], max_bytes: int) -> Inbound:
    """Read one message of the ASGI WebSocket specification (version 2.4, "Receive" and "Disconnect").

    Args:
        message: what `receive` gave.
        max_bytes: of a text, in UTF-8; 0 is unlimited.
    """
    if message["type"] == "websocket.disconnect":
        code = message.get("code")
        return Disconnected(NO_STATUS if code is None else int(code))
    # ASGI wants exactly one of text and bytes to be there and not None.
    text = message.get("text")
    if text is None:
        return Refused(WSCloseCode.UNSUPPORTED_DATA)
    if 0 < max_bytes < _utf8_length(text, max_bytes):
        return Refused(WSCloseCode.MESSAGE_TOO_BIG)
    return Heartbeat.PING if is_ping(text) else ClientText(text)


def _utf8_length(text: str, enough: int) -> int:
    """The length in UTF-8; or any number above `enough` when it is longer than that."""
    # Characters never outnumber bytes, so a huge text is told without being encoded.
    if text.isascii() or len(text) > enough:
        return len(text)
    return len(text.encode(errors="surrogatepass"))
