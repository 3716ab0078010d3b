"""Who may issue staff tokens: an `iss`, its keys, and what it may say."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.auth.keys import KeySet


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer. Immutable.

    Attributes:
        name: the `iss` of its tokens, compared byte for byte; None for tokens that name no issuer of the file.
        keys: its keys, and nobody else's: a token is never verified with another issuer's (RFC 8725 §3.8).
        algorithms: the allow-list.
        audience: what must stand in `aud`; None: tokens for an audience are refused.
        tenants: the tenants that it may speak for; None for all.
    """

    name: str | None
    keys: KeySet
    algorithms: tuple[str, ...]
    audience: str | None = None
    tenants: frozenset[int] | None = None
