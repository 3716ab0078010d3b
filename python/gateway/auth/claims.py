"""What both kinds of token share: bounds, strictly typed claims, and how long a token may live."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from gateway.errors import TokenError
from gateway.protocol.rights import SUBJECT_PATTERN
from gateway.types import MAX_ID

MAX_TOKEN_BYTES = 8192
"""A longer token is refused unread; uvicorn's own limit of a request line is 64 KiB."""

MAX_LIST = 256
"""Branches or sectors in one token."""

CLOCK_LEEWAY = 5.0
"""Seconds by which an issuer's clock may be ahead of ours, if the settings say nothing else. `exp` has no leeway: a
token is dead at that second."""

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
"""msgspec is strict here: no bool, float or string passes for an integer."""

Ids = Annotated[list[Id], Meta(max_length=MAX_LIST)]

Subject = Annotated[str, Meta(pattern=SUBJECT_PATTERN)]

Kid = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]

NumericDate = Annotated[float, Meta(gt=0, le=MAX_ID)]
"""Unix seconds, with or without a fraction (RFC 7519 §2)."""

T = TypeVar("T", bound=msgspec.Struct)


def read_claims(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    """Decode claims.

    Raises:
        TokenError: not JSON, a claim missing or of the wrong type; the text names the claim and no value.
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise TokenError(f"the token's claims are not as expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenError("the token's claims are not JSON") from None


def check_size(token: str) -> None:
    """Refuse what is no token at first sight, before anything is parsed.

    Raises:
        TokenError: too long, or not ASCII (so that characters are bytes from here on).
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError(f"the token is over {MAX_TOKEN_BYTES} bytes")
    if not token.isascii():
        raise TokenError("the token is not ASCII")


def check_lifetime(
    issued_at: float, expires_at: float, *, max_age: int, now: float, leeway: float = CLOCK_LEEWAY
) -> None:
    """Refuse a token outside its time.

    Args:
        issued_at: `iat`, Unix seconds.
        expires_at: `exp`, Unix seconds.
        max_age: the longest life in seconds; 0 is unlimited.
        now: Unix seconds.
        leeway: seconds by which the issuer's clock may be ahead.

    Raises:
        TokenError: expired, from the future, or allowed to live too long.
    """
    if expires_at <= now:
        raise TokenError("the token has expired")
    if issued_at > now + leeway:
        raise TokenError("the token was issued in the future; check the issuer's clock")
    if expires_at <= issued_at:
        raise TokenError("the token expires before it was issued")
    if max_age and expires_at - issued_at > max_age:
        raise TokenError(f"the token may live longer than {max_age} s, which is the most that is allowed")


def once(ids: list[int]) -> tuple[int, ...]:
    """Each id once, in order: a core refuses to enter a connection twice into one room."""
    return tuple(dict.fromkeys(ids))
