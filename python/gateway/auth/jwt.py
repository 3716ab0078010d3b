"""Staff tokens: JSON Web Tokens (RFC 7519), held to the advice of RFC 8725."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import jwt
import msgspec
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm
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
from gateway.auth.issuer import Issuer
from gateway.auth.keys import SECRET_ALGORITHM, FixedKeys, secret_key
from gateway.errors import TokenError
from gateway.protocol.rights import TOKEN_ID_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.types import Clock

_SEGMENTS = 3


class _Claims(msgspec.Struct, omit_defaults=True):
    """The claims that are read; others are ignored (RFC 7519 §4)."""

    sub: Subject
    tenant_id: Id
    branch_ids: Annotated[list[Id], Meta(min_length=1, max_length=MAX_LIST)]
    roles: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=64)]
    exp: NumericDate
    iat: NumericDate
    jti: Annotated[str, Meta(pattern=TOKEN_ID_PATTERN)]
    sector_ids: Ids | None = None
    type: str | None = None
    nbf: NumericDate | None = None
    aud: msgspec.Raw | UnsetType = UNSET


class _IssuerOnly(msgspec.Struct):
    iss: str | None = None


_claims = msgspec.json.Decoder(_Claims)
_issuer_only = msgspec.json.Decoder(_IssuerOnly)
_audiences = msgspec.json.Decoder(str | list[str])


class _Hmac(HMACAlgorithm):
    """HS256 without the library's warning at each use of a short key: settings say it once, or refuse."""

    def __init__(self) -> None:
        super().__init__(HMACAlgorithm.SHA256)

    def check_key_length(self, key: bytes) -> str | None:  # noqa: ARG002 - the library's signature
        return None


def _jws() -> jwt.PyJWS:
    """A signer and verifier that knows these four algorithms and nothing else: `none` is none of them."""
    jws = jwt.PyJWS(algorithms=[])
    jws.register_algorithm("HS256", _Hmac())
    jws.register_algorithm("RS256", RSAAlgorithm(RSAAlgorithm.SHA256))
    jws.register_algorithm("ES256", ECAlgorithm(ECAlgorithm.SHA256))
    jws.register_algorithm("EdDSA", OKPAlgorithm())
    return jws


class JwtVerifier:
    """Verifies staff tokens. Thread-safe where its issuers' keys are; those by URL are for one event loop.

    Without issuers a token's `iss` means nothing, and the secrets verify it. With issuers, a token that names one of
    them is verified by that issuer's keys alone, one that names none by the secrets, and any other is refused.
    """

    def __init__(
        self,
        secrets: Mapping[str | None, bytes | str],
        max_age: int,
        clock: Clock,
        *,
        issuers: Sequence[Issuer] = (),
        leeway: float = CLOCK_LEEWAY,
    ) -> None:
        """Take the secrets by `kid`; the one under None is for tokens without.

        Args:
            secrets: at least one, unless there are issuers.
            max_age: the longest life of a token in seconds; 0 is unlimited.
            clock: what tells the time.
            issuers: who else may issue; each name once.
            leeway: seconds by which an issuer's clock may be ahead.

        Raises:
            SettingsError: nobody may issue, or a secret is a public key or a certificate, which is no secret at all.
        """
        self._issuers = {issuer.name: issuer for issuer in issuers}
        if secrets or not issuers:
            keys = {kid: secret_key(secret, _where(kid)) for kid, secret in secrets.items()}
            self._issuers[None] = Issuer(None, FixedKeys(keys), (SECRET_ALGORITHM,))
        self._named = bool(issuers)
        self._max_age = max_age
        self._leeway = leeway
        self._clock = clock
        self._jws = _jws()

    @property
    def version(self) -> int:
        """Goes up when a key is withdrawn or replaced: what was verified before may be good no longer."""
        return sum(issuer.keys.version for issuer in self._issuers.values())

    def verify(self, token: str) -> Identity:
        """Verify a token and give what it says.

        Raises:
            TokenError: it is not to be trusted; the text says why and repeats nothing of it. `UnknownKeyError` where
                asking its issuer for keys may change that.
            KeysAwayError: its issuer's keys cannot be had, so that nothing is known of it.
        """
        check_size(token)
        claimed = _payload(token)
        issuer = self._issuer(claimed)
        expected = issuer.algorithms
        try:
            # PyJWT reads the header twice, once for `kid` and once to verify; both times it is the same bytes.
            key = issuer.keys.find(self._jws.get_unverified_header(token).get("kid"))
            if key.algorithm not in expected:
                raise TokenError(_not_allowed(expected))
            # The key has one algorithm; the token's `alg` may only agree with it.
            expected = (key.algorithm,)
            payload = self._jws.decode(token, key.material, algorithms=expected, options={"verify_signature": True})
        except jwt.InvalidAlgorithmError:
            raise TokenError(_not_allowed(expected)) from None
        except jwt.InvalidSignatureError:
            raise TokenError("the token's signature does not match") from None
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise TokenError("the token's header is malformed") from None
        claims = read_claims(_claims, payload)
        self._check(claims, issuer)
        return _identity(claims)

    def _issuer(self, payload: bytes) -> Issuer:
        """Whose keys to try. The claim is not verified yet: it only ever selects one of our own issuers."""
        name = read_claims(_issuer_only, payload).iss if self._named else None
        issuer = self._issuers.get(name)
        if issuer is None:
            raise TokenError(
                "the token names no issuer (`iss`), and this gateway has only issuers with a name"
                if name is None
                else "the token's issuer (`iss`) is none of this gateway"
            )
        return issuer

    def _check(self, claims: _Claims, issuer: Issuer) -> None:
        now = self._clock.time()
        if claims.type == "refresh":
            raise TokenError("the token is a refresh token; expected an access token")
        _check_audience(claims.aud, issuer.audience)
        if issuer.tenants is not None and claims.tenant_id not in issuer.tenants:
            raise TokenError("the token's issuer may not speak for its tenant")
        check_lifetime(claims.iat, claims.exp, max_age=self._max_age, now=now, leeway=self._leeway)
        if claims.nbf is not None and claims.nbf > now + self._leeway:
            raise TokenError("the token is not valid yet (`nbf`)")


def _check_audience(found: msgspec.Raw | UnsetType, expected: str | None) -> None:
    # RFC 7519 §4.1.3: a token for an audience must be refused by whoever is not in it. Issuers that share one
    # secret among their own purposes (password reset, e-mail proof) tell them apart by it.
    if expected is None:
        if found is not UNSET and bytes(found) not in (b"null", b'""', b"[]"):
            raise TokenError("the token is for an audience (`aud`), and the gateway is in none")
        return
    try:
        audiences = [] if found is UNSET else _audiences.decode(found)
    except msgspec.DecodeError:
        audiences = []
    if expected not in ([audiences] if isinstance(audiences, str) else audiences):
        raise TokenError("the token is not for the gateway's audience (`aud`)")


def _not_allowed(expected: tuple[str, ...]) -> str:
    return f"the token's algorithm is not allowed; expected {', '.join(expected)}"


def _where(kid: str | None) -> str:
    return f"the JWT secret with kid {kid}" if kid else "the JWT secret"


def _payload(token: str) -> bytes:
    """The payload, not verified; every other spelling of the token's bytes is refused, whatever PyJWT allows."""
    segments = token.split(".")
    if len(segments) != _SEGMENTS:
        raise TokenError(f"the token has {len(segments)} parts; expected a JWT of {_SEGMENTS}")
    try:
        _, payload, _ = (base64url.decode(segment) for segment in segments)
    except ValueError as error:
        raise TokenError(f"a part of the token is {error}") from None
    return payload


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
