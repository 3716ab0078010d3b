"""What goes over the wire beside events: built here as text, and read here as a small union."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

_encode = msgspec.json.encode


class ErrorCode(StrEnum):
    """Codes of an `error` message."""

    BAD_JSON = "bad_json"
    UNKNOWN_TYPE = "unknown_type"
    TOO_SOON = "too_soon"
    BAD_TOKEN = "bad_token"  # noqa: S105 - a code, not a secret


ERROR_CODES: dict[ErrorCode, str] = {
    ErrorCode.BAD_JSON: "the message is neither a known bare word nor a JSON object with a string `type`",
    ErrorCode.UNKNOWN_TYPE: "the message's `type` is none that a client may send, or lacks what that type needs",
    ErrorCode.TOO_SOON: "a second refresh within 10 s",
    ErrorCode.BAD_TOKEN: "the new token is bad, expired or revoked; the old one stays",
}
"""What each code means, for the documentation."""


# --- gateway to client ---------------------------------------------------------------------------------------


def _text(message: Mapping[str, object]) -> str:
    return _encode(message).decode()


def welcome(
    connection_id: str,
    heartbeat: float,
    positions: Mapping[int, str],
    resumed: Mapping[int, bool] | None = None,
) -> str:
    """The first message of every connection.

    Args:
        connection_id: names the connection in logs and in the operator's tools.
        heartbeat: seconds between the pings that the client is to send.
        positions: branch to position, for a later resume.
        resumed: branch to whether it was resumed; only where a resume was asked for.
    """
    message: dict[str, object] = {
        "type": "welcome",
        "connection_id": connection_id,
        "heartbeat": int(heartbeat) if heartbeat == int(heartbeat) else heartbeat,
        "positions": positions,
    }
    if resumed is not None:
        message["resumed"] = resumed
    return _text(message)


def pong(positions: Mapping[int, str] | None = None) -> str:
    """The answer to a ping, with the current positions."""
    return _text({"type": "pong", "positions": positions or {}})


def gap(dropped: int) -> str:
    """Stands where so many best-effort events were dropped."""
    return f'{{"type":"gap","dropped":{dropped}}}'


def critical_gap(branch: int) -> str:
    """Says that a critical event of a branch may be missing: the client fetches the branch's state anew."""
    return f'{{"type":"gap","branch":{branch},"critical":true}}'


def reconnect(after: float) -> str:
    """Says in how many seconds to connect again: this node is about to stop."""
    return f'{{"type":"reconnect","after":{after:.2f}}}'


def error(code: ErrorCode) -> str:
    """The answer to a message that could not be done."""
    return _text({"type": "error", "code": code.value})


def token_refreshed(expires_at: float) -> str:
    """The answer to `refresh_token`; Unix seconds at which the new token expires."""
    return _text({"type": "token_refreshed", "exp": int(expires_at)})


def sectors_updated(sectors: Sequence[int], *, bare: bool) -> str:
    """The answer to `refresh_sectors`, in the form in which it was asked."""
    if bare:
        return "sectors_updated:" + ",".join(map(str, sectors))
    return _text({"type": "sectors_updated", "sectors": list(sectors)})


# --- client to gateway ---------------------------------------------------------------------------------------


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """A heartbeat; also the bare text `ping`."""


class RefreshSectors(msgspec.Struct, frozen=True, tag="refresh_sectors"):
    """Ask for the current sector assignments, as JSON; the answer is JSON too."""


class BareRefreshSectors(msgspec.Struct, frozen=True):
    """The same as the bare text `refresh_sectors`; the answer is bare too."""


class RefreshToken(msgspec.Struct, frozen=True, tag="refresh_token"):
    """Replace the token of a live connection."""

    token: str


ClientMessage = Ping | RefreshSectors | BareRefreshSectors | RefreshToken

_decode_message = msgspec.json.Decoder(Ping | RefreshSectors | RefreshToken).decode


class _Typed(msgspec.Struct):
    type: str


_decode_typed = msgspec.json.Decoder(_Typed).decode


def is_ping(text: str) -> bool:
    """Whether a message is a heartbeat, in whatever spelling: it is the owner of the connection that answers those."""
    return text == "ping" or isinstance(parse_client_message(text), Ping)


def parse_client_message(text: str) -> ClientMessage | ErrorCode:
    """A client's message, or the code of the error that answers it. Never raises."""
    if text == "ping":
        return Ping()
    if text == "refresh_sectors":
        return BareRefreshSectors()
    try:
        message: ClientMessage = _decode_message(text)
    except msgspec.ValidationError:
        return _why_invalid(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return ErrorCode.BAD_JSON
    return message


def _why_invalid(text: str) -> ErrorCode:
    """Tell a JSON object with some `type` from everything else."""
    try:
        _decode_typed(text)
    except msgspec.DecodeError:
        return ErrorCode.BAD_JSON
    return ErrorCode.UNKNOWN_TYPE
