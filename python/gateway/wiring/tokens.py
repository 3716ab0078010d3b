"""What checks tokens."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.auth.issuer import Issuer
from gateway.auth.jwks import JwksKeys
from gateway.auth.jwt import JwtVerifier
from gateway.auth.revocation import RevocationCheck
from gateway.auth.table_token import TableTokenVerifier
from gateway.auth.verified_tokens import VerifiedTokens
from gateway.hub.authenticator import Authenticator
from gateway.wiring.ground import Ground


async def authenticator_of(ground: Ground, issuers: Sequence[Issuer], revocation: RevocationCheck) -> Authenticator:
    """Make it; keys by URL begin to be fetched."""
    settings, clock = ground.settings, ground.clock
    for issuer in issuers:
        if isinstance(issuer.keys, JwksKeys):
            await issuer.keys.start()
            ground.stack.push_async_callback(issuer.keys.stop)
    staff = JwtVerifier(settings.jwt_keys, settings.token_max_age, clock, issuers=issuers, leeway=settings.token_leeway)
    diner = TableTokenVerifier(settings.table_token_keys, settings.token_max_age, clock, leeway=settings.token_leeway)
    return Authenticator(
        VerifiedTokens(staff, clock, version=lambda: staff.version), VerifiedTokens(diner, clock), revocation
    )
