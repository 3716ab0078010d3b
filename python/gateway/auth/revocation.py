"""Revocation: tokens that were valid once. Asked at connect and at each revalidation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from gateway.errors import RevokedError
from gateway.protocol.rights import (
    BLACKLIST_PREFIX,
    blacklist_key,
    revoked_session_key,
    revoked_tenant_key,
    revoked_user_key,
)
from gateway.telemetry.logging import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = get_logger("gateway.auth.revocation")

_SECONDS = re.compile(rb"[0-9]{1,16}(?:\.[0-9]{1,9})?")


class RevocationStore(Protocol):
    """Where revocations are written down; the broker is one."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of string keys, in order; None where there is no such key."""
        ...


class HeldToken(Protocol):
    """What has to be known of a token to say whether it is revoked; `auth.identity.Identity` is one."""

    @property
    def tenant(self) -> int:
        """The tenant."""
        ...

    @property
    def subject(self) -> str:
        """The user's id; of a diner the table session's."""
        ...

    @property
    def session(self) -> int | None:
        """The table session; None for staff."""
        ...

    @property
    def token_id(self) -> str | None:
        """The JWT's `jti`; None for diners."""
        ...

    @property
    def issued_at(self) -> float:
        """Unix seconds."""
        ...


def keys_for(token: HeldToken) -> tuple[str, ...]:
    """The keys that can revoke a token. The last ones hold Unix seconds; a staff token's first one only exists."""
    everybody = revoked_tenant_key(token.tenant)
    if token.session is not None:
        return (revoked_session_key(token.tenant, token.session), everybody)
    user = revoked_user_key(token.tenant, token.subject)
    if token.token_id is None:
        return (user, everybody)
    return (blacklist_key(token.token_id), user, everybody)


def judge(token: HeldToken, values: Sequence[bytes | None]) -> None:
    """Judge a token by the values of `keys_for(token)`; no I/O, so that a batch may share one round trip.

    Raises:
        RevokedError: it is revoked, or a value cannot be understood: whoever wrote it meant to revoke.
        ValueError: another number of values than keys.
    """
    for key, value in zip(keys_for(token), values, strict=True):
        if value is None:
            continue
        if key.startswith(BLACKLIST_PREFIX):
            raise RevokedError("the token has been revoked")
        until = revoked_until(value)
        if until is None:
            _log.error("revocation is not a number of Unix seconds; taken as revoked", key=key, length=len(value))
            raise RevokedError("the token has been revoked")
        # `iat` has whole seconds in most tokens, so one issued later in the very second of the revocation is
        # refused too: the safe side.
        if token.issued_at <= until:
            raise RevokedError("the token has been revoked: it was issued before its holder's tokens were withdrawn")


def is_revoked(token: HeldToken, values: Sequence[bytes | None]) -> bool:
    """Whether `judge` finds a token revoked.

    Raises:
        ValueError: another number of values than keys.
    """
    try:
        judge(token, values)
    except RevokedError:
        return True
    return False


def revoked_until(value: bytes) -> float | None:
    """The Unix seconds that a revocation's value says; None when it says something else."""
    return float(value) if _SECONDS.fullmatch(value) else None


class RevocationCheck:
    """Asks the store about tokens. For one event loop, as its store is."""

    def __init__(self, store: RevocationStore) -> None:
        self._store = store

    async def check(self, token: HeldToken) -> None:
        """Return if nothing revokes the token; one round trip.

        Raises:
            RevokedError: see `judge`.
            BrokerError: the store cannot be asked, and so nobody may be let in.
        """
        judge(token, await self._store.get_many(keys_for(token)))

    async def revoked(self, tokens: Sequence[HeldToken]) -> list[bool]:
        """Whether each of many tokens is revoked; one round trip for all, in which each key stands once.

        Raises:
            BrokerError: the store cannot be asked: nothing is known of any of them.
        """
        keys = list(dict.fromkeys(key for token in tokens for key in keys_for(token)))
        found = dict(zip(keys, await self._store.get_many(keys), strict=True))
        return [is_revoked(token, [found[key] for key in keys_for(token)]) for token in tokens]

    async def values(self, keys: Sequence[str]) -> list[bytes | None]:
        """What stands in revocations' keys, in order; one round trip.

        Raises:
            BrokerError: the store cannot be asked.
        """
        return await self._store.get_many(keys)
