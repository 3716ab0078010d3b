"""`/console`: the page, its files, and what it asks before it connects."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.endpoints.console.access import access_of, admits, is_own_page, key_from
from gateway.endpoints.console.assets import PAGE, assets
from gateway.endpoints.console.desk import Desk
from gateway.errors import TokenError

MAX_REQUEST_BYTES = 16_384

_NO_STORE = {"Cache-Control": "no-store"}


def console_page_router(desk: Callable[[], Desk]) -> APIRouter:
    """The page is for everybody who reaches it: what it shows comes by its socket, to operators alone."""
    router = APIRouter(include_in_schema=False)

    @router.get("/console")
    async def without_slash() -> Response:
        # Relative, so that it is right behind a proxy that puts a path in front; the files stand beside the page.
        return RedirectResponse("console/", 307)

    @router.get("/console/")
    async def page(request: Request) -> Response:
        return assets()[PAGE].answer(request)

    @router.get("/console/access")
    async def access(request: Request) -> Response:
        return JSONResponse({"access": access_of(desk().edge, request)}, headers=_NO_STORE)

    @router.get("/console/{name}")
    async def file(name: str, request: Request) -> Response:
        found = assets().get(name)
        if found is None:
            raise HTTPException(404, "The console has no such file.")
        return found.answer(request)

    @router.post("/console/token")
    async def token(request: Request) -> Response:
        maker = desk().token_maker
        if maker is None:
            raise HTTPException(404, "Tokens are made in development only; elsewhere by whoever signs yours.")
        if not is_own_page(request) or not admits(desk().edge, request, key_from(request).token):
            raise HTTPException(401, "Send the operator key as `Authorization: Bearer <key>`.")
        try:
            return JSONResponse(maker.make(await _body(request)), headers=_NO_STORE)
        except (ValueError, TokenError) as error:
            return JSONResponse({"error": str(error)}, 400, headers=_NO_STORE)

    return router


async def _body(request: Request) -> bytes:
    """The body, no further than it may be long, whatever its head says."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_REQUEST_BYTES:
            raise HTTPException(413, f"At most {MAX_REQUEST_BYTES} bytes.")
    return body
