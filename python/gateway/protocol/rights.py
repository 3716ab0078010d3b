"""Rights that change while somebody is connected: their names in Redis, and how they are announced.

A revocation is a key that every node can look up, and an announcement that says: look now. The key alone decides; an
announcement without a key closes nobody. So a lost announcement costs time and no safety, and a forged one nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from gateway.types import MAX_ID

REVOKED_CHANNEL: Final = "auth:revoked"
"""Pub/Sub: who was revoked, as `Revocation`."""

SECTORS_CHANNEL: Final = "auth:sectors"
"""Pub/Sub: whose sector assignment has changed, as `SectorChange`."""

SUBJECT_PATTERN: Final = r"\A[A-Za-z0-9_-]{1,64}\Z"
"""A user id. `\\Z`, as `$` would let a newline pass behind it."""

TOKEN_ID_PATTERN: Final = r"\A[!-~]{1,128}\Z"  # noqa: S105 - a pattern, not a token
"""A `jti`: printable ASCII without space, colons included (`urn:uuid:…`). It becomes the end of a Redis key."""

BLACKLIST_PREFIX: Final = "jwt:blacklist:"

T = TypeVar("T")

_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
_Subject = Annotated[str, Meta(pattern=SUBJECT_PATTERN)]
_TokenId = Annotated[str, Meta(pattern=TOKEN_ID_PATTERN)]


def blacklist_key(token_id: str) -> str:
    """The key whose existence revokes one token."""
    return f"{BLACKLIST_PREFIX}{token_id}"


def revoked_user_key(tenant: int, user: str) -> str:
    """The key that holds the Unix seconds up to which a user's tokens are revoked."""
    return f"{{tenant:{tenant}}}:revoked:user:{user}"


def revoked_session_key(tenant: int, session: int) -> str:
    """The same for a table session."""
    return f"{{tenant:{tenant}}}:revoked:session:{session}"


def revoked_tenant_key(tenant: int) -> str:
    """The same for everybody of a tenant."""
    return f"{{tenant:{tenant}}}:revoked:all"


class Revocation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who is revoked: one token; or in a tenant a user, a table session, or, where neither is named, everybody.

    Attributes:
        jti: the token; whatever else is given is ignored.
        tenant_id: the tenant.
        user_id: the user; a number is taken for its digits.
        session_id: the table session.

    Raises:
        ValueError: neither a token nor a tenant is named, or a user and a session at once.
    """

    jti: _TokenId | None = None
    tenant_id: _Id | None = None
    user_id: _Subject | _Id | None = None
    session_id: _Id | None = None

    def __post_init__(self) -> None:
        if self.jti is None and self.tenant_id is None:
            raise ValueError("a revocation names a token (`jti`) or a tenant (`tenant_id`)")
        if self.jti is None and self.user_id is not None and self.session_id is not None:
            raise ValueError("a revocation names a user or a table session, not both")

    @property
    def key(self) -> str:
        """The Redis key that says so."""
        if self.jti is not None:
            return blacklist_key(self.jti)
        assert self.tenant_id is not None  # noqa: S101 - `__post_init__` has seen to it
        if self.user_id is not None:
            return revoked_user_key(self.tenant_id, str(self.user_id))
        if self.session_id is not None:
            return revoked_session_key(self.tenant_id, self.session_id)
        return revoked_tenant_key(self.tenant_id)

    @property
    def identity_key(self) -> str | None:
        """The key that connections carry in the core; None where a whole tenant is meant."""
        if self.jti is not None:
            return f"jti:{self.jti}"
        if self.user_id is not None:
            return f"user:{self.user_id}"
        return None if self.session_id is None else f"session:{self.session_id}"

    @property
    def scope(self) -> str:
        """`token`, `user`, `session` or `tenant`; for metrics and logs."""
        return "tenant" if self.identity_key is None else self.identity_key.partition(":")[0].replace("jti", "token")


class SectorChange(msgspec.Struct, frozen=True):
    """Whose sector assignment has changed."""

    tenant_id: _Id
    user_id: _Subject | _Id

    @property
    def user(self) -> str:
        """The user id as tokens spell it."""
        return str(self.user_id)


_decode_revocation = msgspec.json.Decoder(Revocation).decode
_decode_change = msgspec.json.Decoder(SectorChange).decode


def encode_revocation(revocation: Revocation) -> bytes:
    """The announcement of a revocation.

    Raises:
        ValueError: a member is of the wrong type or out of bounds; a struct checks that only when it is read.
    """
    payload = msgspec.json.encode(revocation)
    parse_revocation(payload)
    return payload


def parse_revocation(payload: bytes) -> Revocation:
    """Read an announcement of `auth:revoked`; members that are not known are ignored.

    Raises:
        ValueError: it is none; the text names the member and repeats no value.
    """
    return _parse(_decode_revocation, payload)


def parse_sector_change(payload: bytes) -> SectorChange:
    """Read an announcement of `auth:sectors`; members that are not known are ignored.

    Raises:
        ValueError: it is none; the text names the member and repeats no value.
    """
    return _parse(_decode_change, payload)


def _parse(decode: Callable[[bytes], T], payload: bytes) -> T:
    try:
        return decode(payload)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("not JSON") from None
