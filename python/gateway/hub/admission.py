"""Admission: places on the node, per user and per table session, counted on this node: the first, cheap check."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.auth.identity import Identity
from gateway.errors import LimitError, NodeFullError
from gateway.fanout.base import Fanout


class Admission:
    """Says who still fits. For one event loop: a check and the attach after it must have no `await` between them."""

    def __init__(
        self, fanout: Fanout, *, node: int, per_user: int, per_session: int, staff_reserve: float = 0.0
    ) -> None:
        """Limits in connections; 0 is unlimited. `staff_reserve`: per cent of the node's places, for staff alone."""
        self._fanout = fanout
        self._node = node
        self._open_to_all = node - int(node * staff_reserve / 100)
        self._per_user = per_user
        self._per_session = per_session
        self._handshakes = 0

    @contextmanager
    def handshake(self, *, staff: bool = True) -> Iterator[None]:
        """Hold a place on the node until the connection is attached, when the core counts it.

        Without this a burst of handshakes would all see the same free place.

        Raises:
            NodeFullError: HTTP 503, since no token is needed to say so.
        """
        taken = self._fanout.stats().connections + self._handshakes
        if self._node and taken >= (self._node if staff else self._open_to_all):
            raise NodeFullError(f"this node has its {taken} connections; connect to another or try again later")
        self._handshakes += 1
        try:
            yield
        finally:
            self._handshakes -= 1

    def check(self, identity: Identity) -> None:
        """Refuse one connection too many of a user or a table session.

        Raises:
            LimitError: close code 4029.
        """
        limit = self._per_user if identity.kind == "staff" else self._per_session
        if limit and self._fanout.count(identity.tenant, identity.keys[0]) >= limit:
            who = "user" if identity.kind == "staff" else "table session"
            raise LimitError(f"this {who} has its {limit} connections on this node")
