"""Revoking a token, a user, a table session or a tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Request
from msgspec import Meta
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer, body_of
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.journal import journal
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.route import BUSY, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError
from gateway.protocol.rights import SUBJECT_PATTERN, TOKEN_ID_PATTERN, Revocation
from gateway.types import MAX_ID

_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]


class RevokeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is revoked: a token by its `jti`; or in a tenant a user, a table session, or, where neither is named, all."""

    jti: Annotated[str, Meta(pattern=TOKEN_ID_PATTERN)] | None = None
    tenant: _Id | None = None
    user: Annotated[str, Meta(pattern=SUBJECT_PATTERN)] | None = None
    session: _Id | None = None

    def revocation(self) -> Revocation:
        """The revocation.

        Raises:
            BadRequestError: none of the four forms.
        """
        given = {name for name in self.__struct_fields__ if getattr(self, name) is not None}
        # Whoever names a user and forgets the tenant, or names too much, must not revoke more than was meant.
        if given not in ({"jti"}, {"tenant"}, {"tenant", "user"}, {"tenant", "session"}):
            raise BadRequestError(
                "the body names nobody, or too much; expected `jti`, `tenant` and `user`, `tenant` and `session`, or"
                " `tenant` alone for everybody of it"
            )
        return Revocation(jti=self.jti, tenant_id=self.tenant, user_id=self.user, session_id=self.session)


class Revoked(msgspec.Struct, frozen=True):
    """Up to when tokens are refused, in Unix seconds, and how many nodes heard it at once."""

    at: float
    nodes: int


def revoke_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/revoke`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.OPERATE))

    @router.post(
        "/revoke", summary="Revoke tokens, on every node", **describe(Revoked, BUSY, UNAVAILABLE, body=RevokeBody)
    )
    async def revoke(request: Request) -> Response:
        revocation = (await body_of(request, RevokeBody)).revocation()
        api = edge().api
        at, nodes = await api.producing.revoke(revocation, api.clock.time())
        # A `jti` is no secret: it revokes, and lets nobody in.
        journal(request, "revoke", scope=revocation.scope, tenant=revocation.tenant_id, whom=revocation.identity_key)
        return answer(Revoked(at, nodes))

    return router
