"""Tokens for the people of the demo page, signed with the settings' own secrets."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.auth.jwt import issue_staff_token
from gateway.auth.signing import Keys, life_within, signing_key
from gateway.auth.table_token import issue_table_token
from gateway.endpoints.demo.restaurant import ROOM, STAFF, TABLES
from gateway.errors import SettingsError
from gateway.types import MAX_ID, Clock

LIFE_SECONDS: Final = 900
"""Short, so that whoever leaves the page open sees its clients renew their tokens."""

_Window = Annotated[str, Field(pattern=r"^[a-z0-9]{1,20}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StaffRequest(_Strict):
    """Somebody of the staff, in one browser window: each window is a user of its own, with a user's limits."""

    who: Literal["ana", "bruno", "kitchen", "manager"]
    window: _Window


class DinerRequest(_Strict):
    """A phone at a table."""

    table: Annotated[int, Field(ge=1, le=len(TABLES))]
    session: Annotated[int, Field(ge=1, le=MAX_ID)]
    window: _Window


class TokenOffice:
    """Issues tokens of the demo's tenant, and of no other. Thread-safe.

    Args:
        staff: secrets of staff tokens; none where issuers alone sign them.
        diners: secrets of table tokens.
        longest: seconds that a token may live; 0 is unlimited.
        clock: what tells the time.
    """

    def __init__(self, staff: Keys, diners: Keys, longest: int, clock: Clock) -> None:
        self._staff = signing_key(staff)
        self._diners = signing_key(diners)
        self._life = life_within(LIFE_SECONDS, longest)
        self._clock = clock

    def issue(self, request: StaffRequest | DinerRequest) -> str:
        """A JWT for staff, a table token for a diner.

        Raises:
            SettingsError: there is no secret to sign a JWT with.
        """
        if isinstance(request, DinerRequest):
            assert self._diners is not None  # noqa: S101 - settings without a secret for them are refused
            kid, secret = self._diners
            return issue_table_token(
                secret,
                kid=kid,
                tenant=ROOM.tenant,
                branch=ROOM.branch,
                table=request.table,
                session=request.session,
                diner=request.window,
                expires_in=self._life,
                clock=self._clock,
            )
        if self._staff is None:
            raise SettingsError(
                "the demo signs tokens of its own staff, and there are issuers alone: set GATEWAY_JWT_SECRET as well"
            )
        employee = STAFF[request.who]
        kid, secret = self._staff
        return issue_staff_token(
            secret,
            kid=kid,
            tenant=ROOM.tenant,
            user=f"{employee.id}-{request.window}",
            branches=(ROOM.branch,),
            roles=(employee.role,),
            sectors=employee.sectors,
            expires_in=self._life,
            clock=self._clock,
        )
