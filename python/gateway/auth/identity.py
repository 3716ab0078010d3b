"""Who is behind a connection."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """Roles of staff, spelled as in the token; diners have none."""

    WAITER = "WAITER"
    KITCHEN = "KITCHEN"
    MANAGER = "MANAGER"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says. Immutable, thread-safe.

    Attributes:
        kind: `staff` came with a JWT, `diner` with a table token.
        tenant: the tenant; everything below has meaning inside it alone.
        subject: the user's id; of a diner the table session's, as text.
        branches: each once, in the token's order; a diner has one.
        roles: those that the gateway knows; empty for diners.
        sectors: the token's own assignment, each once; None if it names none.
        session: the table session; None for staff.
        table: the table; None for staff.
        diner: the diner at the table, where the token names one.
        token_id: the JWT's `jti`; None for diners.
        issued_at: Unix seconds.
        expires_at: Unix seconds; from then on the token is worth nothing.
    """

    kind: Literal["staff", "diner"]
    tenant: int
    subject: str
    branches: tuple[int, ...]
    roles: frozenset[Role]
    sectors: tuple[int, ...] | None
    session: int | None
    table: int | None
    diner: str | None
    token_id: str | None
    issued_at: float
    expires_at: float

    @property
    def keys(self) -> tuple[str, ...]:
        """Names under which the core counts and closes connections of this identity; the first is the limit's."""
        if self.kind == "diner":
            return (f"session:{self.session}",)
        return (f"user:{self.subject}", f"jti:{self.token_id}")
