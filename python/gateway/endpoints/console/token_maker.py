"""Tokens for trying things out, signed with the development's own secrets; never there in production."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.auth.claims import MAX_LIST
from gateway.auth.identity import Role
from gateway.auth.jwt import issue_staff_token
from gateway.auth.signing import Keys, life_within, signing_key
from gateway.auth.table_token import issue_table_token
from gateway.errors import TokenError
from gateway.types import MAX_ID, Clock

EXPIRES_IN: Final = 3600
"""Seconds that a token is good for, where the settings allow that much."""

_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
_Ids = Annotated[tuple[_Id, ...], Meta(max_length=MAX_LIST)]
_Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]


class StaffToken(msgspec.Struct, frozen=True, tag_field="kind", tag="staff", forbid_unknown_fields=True):
    """A token (JWT) for a member of staff is wanted. Without sectors they are looked up at the connect."""

    tenant: _Id
    user: _Name
    branches: Annotated[_Ids, Meta(min_length=1)]
    role: Literal["WAITER", "KITCHEN", "MANAGER", "ADMIN"]
    sectors: _Ids = ()


class TableToken(msgspec.Struct, frozen=True, tag_field="kind", tag="table", forbid_unknown_fields=True):
    """A table token for the diners of a session is wanted."""

    tenant: _Id
    branch: _Id
    table: _Id
    session: _Id


_decode = msgspec.json.Decoder(StaffToken | TableToken).decode


class TokenMaker:
    """Signs with the first key of each kind, as `gateway token` does. Thread-safe."""

    def __init__(
        self,
        staff_keys: Keys,
        table_keys: Keys,
        clock: Clock,
        *,
        longest: int,
    ) -> None:
        """The keys by their `kid`; `longest`: seconds that a token may live, 0 for any time."""
        self._staff_keys = staff_keys
        self._table_keys = table_keys
        self._clock = clock
        self._expires_in = life_within(EXPIRES_IN, longest)

    def make(self, wanted: bytes) -> dict[str, str | int]:
        """The token, the path to connect to with it, and how many seconds it is good for.

        Args:
            wanted: the JSON of `StaffToken` or `TableToken`, told apart by `kind`.

        Raises:
            ValueError: it is none.
            TokenError: there is no key to sign with.
        """
        try:
            asked = _decode(wanted)
        except msgspec.MsgspecError as error:
            raise ValueError(f"no token can be made of this: {error}") from None
        if isinstance(asked, TableToken):
            token, path = self._table(asked), "/ws/diner?table_token="
        else:
            token, path = self._staff(asked), f"/ws/{_ENDPOINTS[Role(asked.role)]}?token="
        return {"token": token, "path": path, "expires_in": self._expires_in}

    def _staff(self, asked: StaffToken) -> str:
        kid, secret = _first(self._staff_keys, "GATEWAY_JWT_SECRET")
        return issue_staff_token(
            secret,
            kid=kid,
            tenant=asked.tenant,
            user=asked.user,
            branches=asked.branches,
            roles=[asked.role],
            sectors=asked.sectors or None,
            expires_in=self._expires_in,
            clock=self._clock,
        )

    def _table(self, asked: TableToken) -> str:
        kid, secret = _first(self._table_keys, "GATEWAY_TABLE_TOKEN_SECRET")
        return issue_table_token(
            secret,
            kid=kid,
            tenant=asked.tenant,
            branch=asked.branch,
            table=asked.table,
            session=asked.session,
            expires_in=self._expires_in,
            clock=self._clock,
        )


_ENDPOINTS: Final = {Role.WAITER: "waiter", Role.KITCHEN: "kitchen", Role.MANAGER: "admin", Role.ADMIN: "admin"}


def _first(keys: Keys, setting: str) -> tuple[str | None, str]:
    key = signing_key(keys)
    if key is None:
        raise TokenError(f"no key to sign with: set {setting}")
    return key
