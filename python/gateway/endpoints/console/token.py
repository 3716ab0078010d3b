"""`POST /console/token`: tokens for trying things out, in development."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, Response

from gateway.endpoints.api.keys import Scope
from gateway.endpoints.console.access import holder_from, is_own_page, key_from
from gateway.endpoints.console.desk import Desk
from gateway.endpoints.console.token_maker import TokenMaker
from gateway.errors import TokenError

MAX_REQUEST_BYTES: Final = 16_384


def console_token_router(desk: Callable[[], Desk]) -> APIRouter:
    """The route; elsewhere than in development it answers 404."""
    router = APIRouter(include_in_schema=False)

    @router.post("/console/token")
    async def token(request: Request) -> Response:
        maker = _checked(desk(), request)
        try:
            return JSONResponse(maker.make(await _body(request)), headers={"Cache-Control": "no-store"})
        except (ValueError, TokenError) as error:
            return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)

    return router


def _checked(desk: Desk, request: Request) -> TokenMaker:
    """The maker, for whoever may use it.

    Raises:
        HTTPException: 404 outside development, 401 without a key or from another page, 403 for one without the scope.
    """
    if desk.token_maker is None:
        raise HTTPException(404, "Tokens are made in development only; elsewhere by whoever signs yours.")
    holder = holder_from(desk.edge, request, key_from(request).token)
    if holder is None or not is_own_page(request):
        raise HTTPException(401, "Send a key of the operator API as `Authorization: Bearer <key>`.")
    if Scope.OPERATE not in holder.scopes:
        raise HTTPException(403, "This key has not the scope operate, which making tokens needs.")
    return desk.token_maker


async def _body(request: Request) -> bytes:
    """The body, no further than it may be long, whatever its head says."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_REQUEST_BYTES:
            raise HTTPException(413, f"At most {MAX_REQUEST_BYTES} bytes.")
    return body
