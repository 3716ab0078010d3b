"""Table tokens: what a diner's page carries, `v1.<base64url JSON>.<base64url HMAC-SHA256>`, unpadded.

The HMAC is over the ASCII text `v1.<base64url JSON>`. There is no algorithm to choose, so none can be confused.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.auth import base64url
from gateway.auth.claims import CLOCK_LEEWAY, Id, Kid, NumericDate, Subject, check_lifetime, check_size, read_claims
from gateway.auth.identity import Identity
from gateway.errors import SettingsError, TokenError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.types import Clock

VERSION = "v1"

DEFAULT_EXPIRES_IN = 3 * 3600
"""Seconds from issue to `exp`: a long dinner."""

_PARTS = 3


class _KidOnly(msgspec.Struct):
    kid: Kid | None = None


class _Claims(msgspec.Struct):
    """The members that are read; others are ignored, so that issuers may add some."""

    tenant_id: Id
    branch_id: Id
    table_id: Id
    session_id: Id
    iat: NumericDate
    exp: NumericDate
    diner_id: Subject | Id | None = None


_kid = msgspec.json.Decoder(_KidOnly)
_claims = msgspec.json.Decoder(_Claims)


class TableTokenVerifier:
    """Verifies table tokens. Immutable after construction, thread-safe."""

    def __init__(
        self,
        secrets: Mapping[str | None, bytes | str],
        max_age: int,
        clock: Clock,
        *,
        leeway: float = CLOCK_LEEWAY,
    ) -> None:
        """Take the secrets by `kid`; the one under None is for tokens without.

        Args:
            secrets: at least one.
            max_age: the longest life of a token in seconds; 0 is unlimited.
            clock: what tells the time.
            leeway: seconds by which the issuer's clock may be ahead.

        Raises:
            SettingsError: no secret, or an empty one.
        """
        if not secrets or not all(secrets.values()):
            raise SettingsError(
                "there is no secret, or an empty one, to verify table tokens with: set GATEWAY_TABLE_TOKEN_SECRET"
            )
        self._secrets = {kid: _bytes(secret) for kid, secret in secrets.items()}
        self._max_age = max_age
        self._leeway = leeway
        self._clock = clock

    def verify(self, token: str) -> Identity:
        """Verify a token and give what it says.

        Raises:
            TokenError: it is not to be trusted; the text says why and repeats nothing of it.
        """
        check_size(token)
        payload, claimed, signed = _split(token)
        # The key's name stands inside what it signs. Only that one member is read before the signature is known
        # to be good, and it can only ever select one of our own keys.
        secret = self._secrets.get(read_claims(_kid, payload).kid)
        if secret is None:
            raise TokenError("the token's `kid` (or its absence) names no secret of this gateway")
        if not hmac.compare_digest(_sign(secret, signed), claimed):
            raise TokenError("the token's signature does not match")
        _refuse_repeated_members(payload)
        claims = read_claims(_claims, payload)
        check_lifetime(claims.iat, claims.exp, max_age=self._max_age, now=self._clock.time(), leeway=self._leeway)
        return _identity(claims)


def _split(token: str) -> tuple[bytes, bytes, str]:
    """The payload, the signature as it came, and the text that is signed."""
    parts = token.split(".")
    if len(parts) != _PARTS or parts[0] != VERSION:
        raise TokenError(f"the token is not {VERSION}.<payload>.<signature>")
    try:
        return base64url.decode(parts[1]), base64url.decode(parts[2]), f"{parts[0]}.{parts[1]}"
    except ValueError as error:
        raise TokenError(f"a part of the token is {error}") from None


def _refuse_repeated_members(payload: bytes) -> None:
    """A member that stands twice means one thing to us and perhaps another to whoever else reads the token."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise TokenError("the token's claims name a member twice")

    try:
        json.loads(payload.decode(), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise TokenError("the token's claims are not JSON") from None


def _identity(claims: _Claims) -> Identity:
    return Identity(
        kind="diner",
        tenant=claims.tenant_id,
        subject=str(claims.session_id),
        branches=(claims.branch_id,),
        roles=frozenset(),
        sectors=None,
        session=claims.session_id,
        table=claims.table_id,
        diner=None if claims.diner_id is None else str(claims.diner_id),
        token_id=None,
        issued_at=claims.iat,
        expires_at=claims.exp,
    )


def issue_table_token(
    secret: bytes | str,
    *,
    kid: str | None = None,
    tenant: int,
    branch: int,
    table: int,
    session: int,
    diner: str | None = None,
    expires_in: int = DEFAULT_EXPIRES_IN,
    clock: Clock,
) -> str:
    """Sign a table token.

    Args:
        secret: the HMAC key.
        kid: the name under which verifiers know it; None if they know it without one.
        tenant: `tenant_id`.
        branch: `branch_id`.
        table: `table_id`.
        session: `session_id`.
        diner: `diner_id`; None leaves the member out.
        expires_in: seconds from now to `exp`.
        clock: what tells the time.

    Raises:
        TokenError: a member that every verifier would refuse.
    """
    issued_at = int(clock.time())
    members: dict[str, Any] = {
        "tenant_id": tenant,
        "branch_id": branch,
        "table_id": table,
        "session_id": session,
        "iat": issued_at,
        "exp": issued_at + expires_in,
    }
    if diner is not None:
        members["diner_id"] = diner
    if kid is not None:
        members["kid"] = kid
    payload = msgspec.json.encode(members)
    read_claims(_kid, payload)
    read_claims(_claims, payload)
    check_lifetime(issued_at, issued_at + expires_in, max_age=0, now=issued_at)
    signed = f"{VERSION}.{base64url.encode(payload)}"
    return f"{signed}.{base64url.encode(_sign(_bytes(secret), signed))}"


def _bytes(secret: bytes | str) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


def _sign(secret: bytes, signed: str) -> bytes:
    return hmac.digest(secret, signed.encode("ascii"), "sha256")
