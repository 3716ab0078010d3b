"""The keys that tokens are verified with, each bound to one algorithm, and where they are looked up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import HMACAlgorithm

from gateway.errors import SettingsError, TokenError

SECRET_ALGORITHM = "HS256"  # noqa: S105 - its name
PUBLIC_ALGORITHMS = ("RS256", "ES256", "EdDSA")
MIN_RSA_BITS = 2048
"""RFC 7518 §3.3."""


class VerificationKey(NamedTuple):
    """A key, and the only algorithm that it verifies: a token's own `alg` never chooses (RFC 8725 §3.1)."""

    algorithm: str
    material: Any

    def __repr__(self) -> str:
        """Without the key."""
        return f"VerificationKey({self.algorithm})"


class KeySet(Protocol):
    """The keys of one issuer."""

    @property
    def version(self) -> int:
        """Goes up when a key is withdrawn or replaced: what was verified before may be good no longer."""
        ...

    def find(self, kid: str | None) -> VerificationKey:
        """The key of this name; None for tokens that name none.

        Raises:
            TokenError: there is none, `UnknownKeyError` where asking the issuer may bring it.
            KeysAwayError: the issuer has not said yet, or not for long, which keys it has.
        """
        ...


class RefreshableKeys(Protocol):
    """Keys that an issuer may be asked for."""

    async def refresh(self) -> bool:
        """Ask the issuer, unless it was asked just now; whether its answer is newer than the call.

        Raises:
            KeysAwayError: it cannot be asked.
        """
        ...


class UnknownKeyError(TokenError):
    """A token names a key that is not known; `keys.refresh()` may bring it."""

    def __init__(self, keys: RefreshableKeys) -> None:
        super().__init__("the token's `kid` names no key of its issuer")
        self.keys = keys


class FixedKeys:
    """Keep `KeySet`: keys that do not change while the gateway runs. Immutable, thread-safe."""

    version = 0

    def __init__(self, keys: Mapping[str | None, VerificationKey]) -> None:
        """By `kid`; None: for tokens without.

        Raises:
            SettingsError: there is none.
        """
        if not keys:
            raise SettingsError("there is no secret to verify staff tokens with: set GATEWAY_JWT_SECRET")
        self._keys = dict(keys)

    def find(self, kid: str | None) -> VerificationKey:
        """See `KeySet.find`."""
        key = self._keys.get(kid)
        if key is None:
            raise TokenError("the token's `kid` names no secret of this gateway" if kid else _NO_KID)
        return key


_NO_KID = "the token has no `kid`, and this gateway has only secrets with one"


def secret_key(secret: bytes | str, where: str) -> VerificationKey:
    """A secret for HS256. `where` names it in errors.

    Raises:
        SettingsError: it is empty, or a public key or certificate, which is no secret at all.
    """
    try:
        key = HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError:
        # The classical confusion: whoever has the public key could sign with it (RFC 8725 §2.1).
        raise SettingsError(f"{where} is a public key or certificate; HS256 needs random bytes") from None
    if not key:
        raise SettingsError(f"{where} is empty; expected at least 32 random bytes")
    return VerificationKey(SECRET_ALGORITHM, key)


def public_key(key: object) -> VerificationKey:
    """A public key of the `cryptography` library, bound to the algorithm of its kind.

    Raises:
        ValueError: it is a private key, or of a kind, curve or size that is not served.
    """
    match key:
        case RSAPublicKey():
            if key.key_size < MIN_RSA_BITS:
                raise ValueError(f"an RSA key of {key.key_size} bits; expected {MIN_RSA_BITS} or more")
            return VerificationKey("RS256", key)
        case EllipticCurvePublicKey():
            if key.curve.name != SECP256R1.name:
                raise ValueError(f"a key on the curve {key.curve.name}; expected P-256")
            return VerificationKey("ES256", key)
        case Ed25519PublicKey():
            return VerificationKey("EdDSA", key)
    raise ValueError("not a public key for RS256, ES256 or EdDSA (Ed25519)")
