"""Reading a JSON Web Key Set (RFC 7517)."""

from __future__ import annotations

import json
from typing import Any

import jwt

from gateway.auth.keys import VerificationKey, public_key
from gateway.telemetry.logging import get_logger

MAX_KEYS = 64
"""Keys of one set; an issuer has a few."""

_log = get_logger("gateway.auth.jwk_set")


def read_jwk_set(data: bytes) -> dict[str | None, VerificationKey]:
    """The keys of a set that verify signatures, by `kid`; the others are left out and logged, as RFC 7517 §5 says.

    Raises:
        ValueError: it is no set, or no key of it can be used; the text repeats nothing of it.
    """
    try:
        members = json.loads(data)["keys"]
    except (ValueError, RecursionError, TypeError, KeyError):
        raise ValueError('not a JWK set; expected a JSON object with "keys"') from None
    if not isinstance(members, list) or len(members) > MAX_KEYS:
        raise ValueError(f"not a JWK set of at most {MAX_KEYS} keys")
    keys: dict[str | None, VerificationKey] = {}
    for number, member in enumerate(members, start=1):
        try:
            kid, key = _read(member)
        except ValueError as error:
            _log.warning("a key of an issuer is not used", number=number, why=str(error))
            continue
        if kid in keys:
            _log.warning("a key of an issuer is not used", number=number, why="its `kid` stands twice")
            continue
        keys[kid] = key
    if not keys:
        raise ValueError("no key of the set can be used; expected public keys for RS256, ES256 or EdDSA (Ed25519)")
    return keys


def _read(member: Any) -> tuple[str | None, VerificationKey]:
    if not isinstance(member, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of the data, not of our code
    if member.get("kty") == "oct":
        raise ValueError("a secret, published")
    if "d" in member:
        raise ValueError("a private key, published")
    if member.get("use", "sig") != "sig" or "verify" not in member.get("key_ops", ("verify",)):
        raise ValueError("not for verifying signatures")
    kid = member.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise ValueError("its `kid` is no string")
    try:
        material = jwt.PyJWK(member).key
    except (jwt.PyJWTError, TypeError, ValueError, AttributeError, OverflowError):
        raise ValueError("malformed, or of a kind that is not served") from None
    key = public_key(material)
    if member.get("alg", key.algorithm) != key.algorithm:
        raise ValueError(f"its `alg` is not the {key.algorithm} of its kind")
    return kid, key
