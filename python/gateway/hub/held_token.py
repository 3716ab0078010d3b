"""A connection's token, as far as its core remembers it."""

from __future__ import annotations

from typing import NamedTuple

from gateway.fanout.base import ConnectionIdentity
from gateway.hub.label import Label


class ConnectedToken(NamedTuple):
    """Keeps `auth.revocation.HeldToken`: the token itself is nowhere kept, so that it cannot be stolen from here."""

    tenant: int
    subject: str
    session: int | None
    token_id: str | None
    issued_at: float


def token_of(identity: ConnectionIdentity) -> ConnectedToken | None:
    """What a core's identity says of the token; None for a connection that the hub has not attached."""
    if not identity.label:
        return None
    # The first key is the subject's, the second, where there is one, the token's (`auth.identity.Identity.keys`).
    kind, _, subject = identity.keys[0].partition(":")
    token_id = identity.keys[1].partition(":")[2] if len(identity.keys) > 1 else None
    session = int(subject) if kind == "session" else None
    return ConnectedToken(identity.tenant, subject, session, token_id, Label.decode(identity.label).issued_at)
