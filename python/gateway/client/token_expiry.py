"""When a token expires, read without verifying it: that is the gateway's part."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import msgspec


class _Claims(msgspec.Struct):
    exp: float
    iat: float | None = None


_decode = msgspec.json.Decoder(_Claims).decode


def seconds_left(token: str, now: float) -> float | None:
    """For how long a token that the gateway has accepted is still good; None where it does not say.

    The claims stand in the second of three parts, in a JWT and in a table token alike. Where this machine's clock
    cannot be right, since an accepted token seems to be of the future or of the past, its whole life is taken.

    Args:
        token: as the provider gave it.
        now: Unix seconds, as this machine believes.
    """
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004
        return None
    try:
        claims = _decode(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, msgspec.DecodeError):
        return None
    if claims.iat is None:
        return claims.exp - now if claims.exp > now else None
    return claims.exp - (now if claims.iat <= now < claims.exp else claims.iat)
