"""Tokens of simulated users, signed with the development secret that a test gateway verifies with."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.auth.jwt import issue_staff_token
from gateway.auth.table_token import issue_table_token
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock


def staff_token(
    role: str | Sequence[str] = "WAITER",
    *,
    tenant: int = 1,
    user: str = "12",
    branches: Sequence[int] = (5,),
    sectors: Sequence[int] | None = (),
    expires_in: int = 3600,
    secret: str = DEVELOPMENT_SECRET,
) -> str:
    """`sectors` None leaves the claim out, so that the directory is asked."""
    return issue_staff_token(
        secret,
        tenant=tenant,
        user=user,
        branches=branches,
        roles=[role] if isinstance(role, str) else role,
        sectors=sectors,
        expires_in=expires_in,
        clock=SystemClock(),
    )


def table_token(
    *,
    tenant: int = 1,
    branch: int = 5,
    table: int = 42,
    session: int = 77,
    expires_in: int = 3600,
    secret: str = DEVELOPMENT_SECRET,
) -> str:
    return issue_table_token(
        secret,
        tenant=tenant,
        branch=branch,
        table=table,
        session=session,
        expires_in=expires_in,
        clock=SystemClock(),
    )
