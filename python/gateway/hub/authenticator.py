"""A token in, a checked identity out."""

from __future__ import annotations

from gateway.auth.identity import Identity
from gateway.auth.keys import UnknownKeyError
from gateway.auth.revocation import RevocationCheck
from gateway.auth.verified_tokens import TokenVerifier
from gateway.errors import ForbiddenError
from gateway.hub.places import IdentityCheck
from gateway.hub.profiles import STAFF_PROFILES, EndpointProfile


class Authenticator:
    """Chooses the verifier by endpoint, and asks Redis whether a good token was revoked. For one event loop."""

    def __init__(self, staff: TokenVerifier, diner: TokenVerifier, revocation: RevocationCheck) -> None:
        self._staff = staff
        self._diner = diner
        self._revocation = revocation

    async def authenticate(self, profile: EndpointProfile, token: str, check: IdentityCheck | None = None) -> Identity:
        """Check a token for an endpoint: what costs nothing first, Redis last.

        `check` stands in for the revocation check, where the same round trip asks more; what it raises is raised.

        Raises:
            TokenError: bad, expired or revoked (4001).
            ForbiddenError: good, but its roles do not admit to this endpoint (4003).
            KeysAwayError: its issuer's keys cannot be had (1013).
            BrokerError: Redis cannot say whether it was revoked; nobody is admitted on a guess (1013).
        """
        verifier = self._staff if profile.is_staff else self._diner
        try:
            identity = verifier.verify(token)
        except UnknownKeyError as unknown:
            if not await unknown.keys.refresh():
                raise
            identity = verifier.verify(token)
        profile.check_role(identity)
        await (check or self._revocation.check)(identity)
        return identity

    async def authenticate_staff(self, token: str) -> tuple[Identity, list[EndpointProfile]]:
        """Check a JWT for no endpoint in particular; with it come the endpoints that it admits to, at least one.

        Raises:
            TokenError: see `authenticate`.
            ForbiddenError: it admits to no endpoint.
            BrokerError: see `authenticate`.
        """
        identity = self._staff.verify(token)
        admitting = [profile for profile in STAFF_PROFILES if profile.roles & identity.roles]
        if not admitting:
            raise ForbiddenError("the token has none of the roles of staff")
        await self._revocation.check(identity)
        return identity, admitting
