"""Revocation: tokens that were valid once. Asked at connect and, later, at each revalidation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from gateway.errors import RevokedError
from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.auth.identity import Identity

_log = get_logger("gateway.auth.revocation")

_SECONDS = re.compile(rb"[0-9]{1,16}(?:\.[0-9]{1,9})?")


class RevocationStore(Protocol):
    """Where revocations are written down; the broker is one."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys, in order; None where there is no such key."""
        ...


def blacklist_key(token_id: str) -> str:
    """The key whose existence revokes one token."""
    return f"jwt:blacklist:{token_id}"


def revoked_user_key(tenant: int, user: str) -> str:
    """The key that holds the Unix seconds up to which a user's tokens are revoked."""
    return f"{{tenant:{tenant}}}:revoked:user:{user}"


def revoked_session_key(tenant: int, session: int) -> str:
    """The same for a table session."""
    return f"{{tenant:{tenant}}}:revoked:session:{session}"


def revoked_tenant_key(tenant: int) -> str:
    """The same for everybody of a tenant."""
    return f"{{tenant:{tenant}}}:revoked:all"


def keys_for(identity: Identity) -> tuple[str, ...]:
    """The keys that can revoke an identity. The last ones hold Unix seconds; a staff token's first one only exists."""
    everybody = revoked_tenant_key(identity.tenant)
    if identity.session is not None:
        return (revoked_session_key(identity.tenant, identity.session), everybody)
    user = revoked_user_key(identity.tenant, identity.subject)
    if identity.token_id is None:
        return (user, everybody)
    return (blacklist_key(identity.token_id), user, everybody)


def judge(identity: Identity, values: Sequence[bytes | None]) -> None:
    """Judge an identity by the values of `keys_for(identity)`; no I/O, so that a batch may share one round trip.

    Raises:
        RevokedError: it is revoked, or a value cannot be understood: whoever wrote it meant to revoke.
        ValueError: another number of values than keys.
    """
    for key, value in zip(keys_for(identity), values, strict=True):
        if value is None:
            continue
        if key.startswith("jwt:blacklist:"):
            raise RevokedError("the token has been revoked")
        if not _SECONDS.fullmatch(value):
            _log.error("revocation is not a number of Unix seconds; taken as revoked", key=key, length=len(value))
            raise RevokedError("the token has been revoked")
        # `iat` has whole seconds in most tokens, so one issued later in the very second of the revocation is
        # refused too: the safe side.
        if identity.issued_at <= float(value):
            raise RevokedError("the token has been revoked: it was issued before its holder's tokens were withdrawn")


class RevocationCheck:
    """Asks the store about one identity. For one event loop, as its store is."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store

    async def check(self, identity: Identity) -> None:
        """Return if nothing revokes the identity; one round trip.

        Raises:
            RevokedError: see `judge`.
            BrokerError: the store cannot be asked, and so nobody may be let in.
        """
        judge(identity, await self._store.get_many(keys_for(identity)))
