"""Sending everybody of this node away."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.journal import journal
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.route import ApiRoute
from gateway.endpoints.edge import Edge


class Draining(msgspec.Struct, frozen=True):
    """The node that drains, and how many connections it has still."""

    node: str
    connections: int


def drain_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/drain`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.OPERATE))

    @router.post(
        "/drain",
        summary="Send everybody of this node away; it takes nobody in any more",
        **describe(Draining, success=HTTPStatus.ACCEPTED, what="It has begun; `GET /status` shows how far it is."),
    )
    async def drain(request: Request) -> Response:
        found = edge()
        journal(request, "drain", node=found.manager.node)
        found.api.drain()
        return answer(Draining(found.manager.node, found.fanout.stats().connections), HTTPStatus.ACCEPTED)

    return router
