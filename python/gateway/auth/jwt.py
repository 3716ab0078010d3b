"""Staff tokens: JSON Web Tokens (RFC 7519) signed with HS256, held to the advice of RFC 8725."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import jwt
import msgspec
from jwt.algorithms import HMACAlgorithm
from msgspec import UNSET, Meta, UnsetType

from gateway.auth import base64url
from gateway.auth.claims import (
    CLOCK_LEEWAY,
    MAX_LIST,
    Id,
    Ids,
    NumericDate,
    Subject,
    check_lifetime,
    check_size,
    once,
    read_claims,
)
from gateway.auth.identity import Identity, Role
from gateway.errors import SettingsError, TokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.types import Clock

ALGORITHMS = ("HS256",)
"""The allow-list (RFC 8725 §3.1). The token's own `alg` only ever selects from it."""

_SEGMENTS = 3


class _Claims(msgspec.Struct, omit_defaults=True):
    """The claims that are read; others are ignored (RFC 7519 §4)."""

    sub: Subject
    tenant_id: Id
    branch_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_LIST)]
    roles: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)]
    exp: NumericDate
    iat: NumericDate
    # Printable ASCII without space; colons may stand in it, as in `urn:uuid:…`. It becomes the end of a Redis key.
    jti: Annotated[str, Meta(pattern=r"\A[!-~]{1,128}\Z")]
    sector_ids: Ids | None = None
    type: str | None = None
    nbf: NumericDate | None = None
    aud: msgspec.Raw | UnsetType = UNSET


_claims = msgspec.json.Decoder(_Claims)


class _Hmac(HMACAlgorithm):
    """HS256 without the library's warning at each use of a short key: settings say it once, or refuse."""

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - the library's signature
        return None


def _jws() -> jwt.PyJWS:
    """A signer and verifier that knows HS256 and nothing else: neither `none` nor anything with a public key."""
    jws = jwt.PyJWS(algorithms=[])
    jws.register_algorithm("HS256", _Hmac())
    return jws


class JwtVerifier:
    """Verifies staff tokens. Immutable after construction, thread-safe."""

    def __init__(self, secrets: Mapping[str | None, bytes | str], max_age: int, clock: Clock) -> None:
        """Take the secrets by `kid`; the one under None is for tokens without.

        Args:
            secrets: at least one.
            max_age: the longest life of a token in seconds; 0 is unlimited.
            clock: what tells the time.

        Raises:
            SettingsError: no secret, or one that is a public key or a certificate, which is no secret at all.
        """
        if not secrets:
            raise SettingsError("there is no secret to verify staff tokens with: set GATEWAY_JWT_SECRET")
        self._secrets = {kid: _checked(secret, kid) for kid, secret in secrets.items()}
        self._max_age = max_age
        self._clock = clock
        self._jws = _jws()

    def verify(self, token: str) -> Identity:
        """Verify a token and give what it says.

        Raises:
            TokenError: it is not to be trusted; the text says why and repeats nothing of it.
        """
        check_size(token)
        _check_segments(token)
        try:
            # PyJWT reads the header twice, once for `kid` and once to verify; both times it is the same bytes.
            kid = self._jws.get_unverified_header(token).get("kid")
            secret = self._secrets.get(kid)
            if secret is None:
                raise TokenError("the token's `kid` names no secret of this gateway" if kid else _NO_KID)
            payload = self._jws.decode(token, secret, algorithms=ALGORITHMS, options={"verify_signature": True})
        except jwt.InvalidAlgorithmError:
            raise TokenError(f"the token's algorithm is not allowed; expected {', '.join(ALGORITHMS)}") from None
        except jwt.InvalidSignatureError:
            raise TokenError("the token's signature does not match") from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise TokenError("the token's header is malformed") from None
        claims = read_claims(_claims, payload)
        self._check(claims)
        return _identity(claims)

    def _check(self, claims: _Claims) -> None:
        now = self._clock.time()
        if claims.type == "refresh":
            raise TokenError("the token is a refresh token; expected an access token")
        # RFC 7519 §4.1.3: a token for an audience must be refused by whoever is not in it. Issuers that share one
        # secret among their own purposes (password reset, e-mail proof) tell them apart by it.
        if claims.aud is not UNSET and bytes(claims.aud) not in (b"null", b'""', b"[]"):
            raise TokenError("the token is for an audience (`aud`), and the gateway is in none")
        check_lifetime(claims.iat, claims.exp, max_age=self._max_age, now=now)
        if claims.nbf is not None and claims.nbf > now + CLOCK_LEEWAY:
            raise TokenError("the token is not valid yet (`nbf`)")


_NO_KID = "the token has no `kid`, and this gateway has only secrets with one"


def _checked(secret: bytes | str, kid: str | None) -> bytes:
    try:
        key = HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError:
        # The classical confusion: whoever has the public key could sign with it (RFC 8725 §2.1).
        where = f"the JWT secret with kid {kid}" if kid else "the JWT secret"
        raise SettingsError(f"{where} is a public key or certificate; HS256 needs random bytes") from None
    if not key:
        raise SettingsError("a JWT secret is empty; expected at least 32 random bytes")
    return key


def _check_segments(token: str) -> None:
    """Refuse every other spelling of a token's bytes (padding, white space, spare bits), whatever PyJWT allows."""
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        raise TokenError(f"the token has {len(segments)} parts; expected a JWT of {_SEGMENTS}")
    try:
        for segment in segments:
            base64url.decode(segment)
    except ValueError as error:
        raise TokenError(f"a part of the token is {error}") from None


def _identity(claims: _Claims) -> Identity:
    known = frozenset(Role)
    return Identity(
        kind="staff",
        tenant=claims.tenant_id,
        subject=claims.sub,
        branches=once(claims.branch_ids),
        roles=frozenset(Role(role) for role in claims.roles if role in known),
        sectors=None if claims.sector_ids is None else once(claims.sector_ids),
        session=None,
        table=None,
        diner=None,
        token_id=claims.jti,
        issued_at=claims.iat,
        expires_at=claims.exp,
    )


def issue_staff_token(
    secret: bytes | str,
    *,
    kid: str | None = None,
    tenant: int,
    user: str,
    branches: Sequence[int],
    roles: Iterable[str],
    sectors: Sequence[int] | None = None,
    expires_in: int,
    clock: Clock,
) -> str:
    """Sign a staff token with a fresh `jti`.

    Args:
        secret: the HMAC key.
        kid: the name under which verifiers know it; None if they know it without one.
        tenant: `tenant_id`.
        user: `sub`.
        branches: `branch_ids`.
        roles: `roles`.
        sectors: `sector_ids`; None leaves the claim out.
        expires_in: seconds from now to `exp`.
        clock: what tells the time.

    Raises:
        TokenError: a claim that every verifier would refuse.
    """
    issued_at = int(clock.time())
    claims: dict[str, Any] = {
        "sub": user,
        "tenant_id": tenant,
        "branch_ids": list(branches),
        "roles": [str(role) for role in roles],
        "iat": issued_at,
        "exp": issued_at + expires_in,
        "jti": uuid4().hex,
    }
    if sectors is not None:
        claims["sector_ids"] = list(sectors)
    payload = msgspec.json.encode(claims)
    read_claims(_claims, payload)
    check_lifetime(issued_at, issued_at + expires_in, max_age=0, now=issued_at)
    headers = {} if kid is None else {"kid": kid}
    return _jws().encode(payload, secret, algorithm="HS256", headers=headers)
