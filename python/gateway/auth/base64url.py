"""Base64url as tokens use it: unpadded, and one spelling only for each value (RFC 4648 §5, RFC 7515 §2)."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    """Encode without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Decode the one spelling that `encode` gives.

    The standard library skips over characters outside the alphabet and ignores the spare bits of the last one, so
    that one token would have many spellings.

    Raises:
        ValueError: padding, white space, any other character, an impossible length, or spare bits that are set.
    """
    # RFC 4648 §3.5: a remainder of one character holds no byte.
    if not _ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("not unpadded base64url")
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(data) != text:
        raise ValueError("not canonical base64url")
    return data
