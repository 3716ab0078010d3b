"""`/console`: the page, its files, and what it asks before it connects."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.endpoints.console.access import access_of
from gateway.endpoints.console.assets import PAGE, assets
from gateway.endpoints.console.desk import Desk


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
        return JSONResponse({"access": access_of(desk().edge, request)}, headers={"Cache-Control": "no-store"})

    @router.get("/console/{name}")
    async def file(name: str, request: Request) -> Response:
        found = assets().get(name)
        if found is None:
            raise HTTPException(404, "The console has no such file.")
        return found.answer(request)

    return router
