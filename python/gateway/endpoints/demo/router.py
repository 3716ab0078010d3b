"""The routes of the demo page. The application has them in development alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gateway.endpoints.demo import restaurant
from gateway.endpoints.demo.act import Act
from gateway.endpoints.demo.assets import asset, page
from gateway.endpoints.demo.back_end import BackEnd, FloodingError
from gateway.endpoints.demo.loopback import loopback_only
from gateway.endpoints.demo.tokens import DinerRequest, StaffRequest, TokenOffice
from gateway.errors import BrokerError, EventRefusedError, SettingsError


@dataclass(frozen=True, slots=True)
class Demo:
    """What the routes need, while the gateway runs."""

    back_end: BackEnd
    tokens: TokenOffice


class Seat(BaseModel):
    """A table where somebody sits down."""

    model_config = ConfigDict(extra="forbid", strict=True)

    table: Annotated[int, Field(ge=1, le=len(restaurant.TABLES))]


class Flood(BaseModel):
    """How many best-effort events to publish."""

    model_config = ConfigDict(extra="forbid", strict=True)

    events: Annotated[int, Field(ge=1, le=10_000)]


def demo_router(demo: Callable[[], Demo]) -> APIRouter:
    """`/demo`, its files, and the back end behind its buttons. For browsers on loopback: see `loopback_only`.

    Args:
        demo: asked at each request.
    """
    router = APIRouter(prefix="/demo", dependencies=[Depends(loopback_only)], include_in_schema=False)
    router.include_router(_back_end(demo), prefix="/api")

    @router.get("")
    def index(request: Request) -> Response:
        return page(request.headers["host"])

    @router.get("/{name}")
    def file(name: str) -> Response:
        return asset(name)

    return router


def _back_end(demo: Callable[[], Demo]) -> APIRouter:
    router = APIRouter()

    @router.get("/restaurant")
    async def about() -> dict[str, object]:
        # The page shows how long an event took, so it needs the clock of whoever published it.
        return {**restaurant.as_json(), "now": demo().back_end.now()}

    @router.post("/token")
    async def token(request: StaffRequest | DinerRequest, response: Response) -> dict[str, str]:
        response.headers["Cache-Control"] = "no-store"
        with _answering():
            return {"token": demo().tokens.issue(request)}

    @router.post("/seat")
    async def seat(request: Seat) -> dict[str, int]:
        with _answering():
            return {"session": await demo().back_end.seat(request.table)}

    @router.post("/act")
    async def act(request: Act) -> dict[str, str | None]:
        with _answering():
            return {"event_id": await demo().back_end.act(request)}

    @router.post("/flood")
    async def flood(request: Flood) -> dict[str, int]:
        with _answering():
            await demo().back_end.flood(request.events)
        return {"published": request.events}

    return router


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what the back end raises into an answer."""
    try:
        yield
    except (BrokerError, SettingsError) as error:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error
    except EventRefusedError as error:
        # The routing file of this deployment has replaced what the demo builds on.
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except FloodingError as error:
        raise HTTPException(HTTPStatus.CONFLICT, str(error)) from error
