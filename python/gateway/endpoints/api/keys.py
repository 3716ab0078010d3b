"""The keys of the operator API, by scope."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

OPERATOR = "operator"
"""The name in logs of who shows `GATEWAY_OPERATOR_KEY`, and of a developer on loopback where there is no key."""


class Scope(StrEnum):
    """What a key may be good for. They are independent: none includes another."""

    READ = "read"
    PUBLISH = "publish"
    OPERATE = "operate"


SCOPES: dict[Scope, str] = {
    Scope.READ: "look: status, connections, rooms, presence, history, dead letters, delivery reports",
    Scope.PUBLISH: "send events",
    Scope.OPERATE: "disconnect, revoke, drain, replay and discard dead letters",
}
"""What each means, for the documentation."""


class KeyHolder(NamedTuple):
    """Who shows a key: its name, for logs, and what it is good for."""

    name: str
    scopes: frozenset[Scope]


class ApiKeys:
    """Every key there is. Immutable, thread-safe.

    A key is looked up by comparing it with all of them, each in constant time and none left out, so that the time of an
    answer tells neither how much of a guess was right nor which key it was near to. Digests are compared, which all
    have one length.
    """

    def __init__(self, scoped: Mapping[Scope, Mapping[str, str]], operator_key: str | None) -> None:
        """`scoped`: secrets by name, for each scope; who has `operator_key` may do everything."""
        held = [(name, scope, _digest(secret)) for scope, keys in scoped.items() for name, secret in keys.items()]
        if operator_key is not None:
            held += [(OPERATOR, scope, _digest(operator_key)) for scope in Scope]
        self._held = tuple(held)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._held)

    def holder(self, key: str) -> KeyHolder | None:
        """Who holds a key, with all scopes that it stands in; None if it is none."""
        given = _digest(key)
        matches = [(name, scope) for name, scope, held in self._held if hmac.compare_digest(given, held)]
        return KeyHolder(matches[0][0], frozenset(scope for _, scope in matches)) if matches else None


def _digest(key: str) -> bytes:
    # No password hash: keys are random and long, and a slow hash at each request would be a way to stall the gateway.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
