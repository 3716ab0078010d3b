"""Each person's own token, signed with the settings' secrets as `gateway token` would sign it."""

from __future__ import annotations

from gateway.auth.jwt import issue_staff_token
from gateway.auth.signing import life_within, signing_key
from gateway.auth.table_token import issue_table_token
from gateway.demo.errors import DemoError
from gateway.demo.world import Persona
from gateway.settings import Settings
from gateway.types import Clock

# Longer than anybody watches a demo without starting it anew, and inside the default longest life.
_LIFE_SECONDS = 6 * 3600


class TokenOffice:
    """Issues tokens. Thread-safe."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises DemoError where there is no secret to sign staff tokens with."""
        staff, diners = signing_key(settings.jwt_keys), signing_key(settings.table_token_keys)
        if staff is None:
            raise DemoError("only the issuers of GATEWAY_ISSUERS_FILE sign staff tokens: set GATEWAY_JWT_SECRET too")
        assert diners is not None  # noqa: S101 - settings without a secret for them are refused
        self._staff, self._diners = staff, diners
        self._life = life_within(_LIFE_SECONDS, settings.token_max_age)
        self._clock = clock

    def token(self, persona: Persona) -> str:
        """A table token for a diner, a JWT for staff."""
        if persona.session is not None:
            kid, secret = self._diners
            return issue_table_token(
                secret,
                kid=kid,
                tenant=persona.tenant,
                branch=persona.branches[0],
                table=persona.table or 0,
                session=persona.session,
                expires_in=self._life,
                clock=self._clock,
            )
        kid, secret = self._staff
        return issue_staff_token(
            secret,
            kid=kid,
            tenant=persona.tenant,
            user=persona.user,
            branches=persona.branches,
            roles=persona.roles,
            sectors=persona.sectors,
            expires_in=self._life,
            clock=self._clock,
        )
