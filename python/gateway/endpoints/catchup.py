"""Catching up over HTTP: missed critical events of a branch, or of a table session."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from gateway.auth.bearer import token_of_header
from gateway.endpoints.edge import Edge
from gateway.errors import BrokerError, ForbiddenError, GatewayError, KeysAwayError, PositionUnknownError, TokenError
from gateway.fanout.envelope import splice
from gateway.hub.history_page import CaughtUp
from gateway.protocol.positions import Position, is_position
from gateway.types import MAX_ID

_ID: Final = re.compile("[1-9][0-9]{0,15}", re.ASCII)


class BadQueryError(GatewayError):
    """The query is none: HTTP 400."""


STATUSES: Final[dict[type[Exception], HTTPStatus]] = {
    BadQueryError: HTTPStatus.BAD_REQUEST,
    TokenError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    PositionUnknownError: HTTPStatus.GONE,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
    KeysAwayError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What is answered instead of events."""

_RESPONSES: Final[dict[int | str, dict[str, object]]] = {
    200: {"description": '`{"events":[…],"position":"…","more":false}`: events as on the socket; go on at `position`.'},
    400: {"description": "Bad query."},
    401: {"description": "No token, or a bad, expired or revoked one."},
    403: {"description": "The branch or the session is not in the token."},
    410: {"description": "The position is not known any more: fetch the state anew."},
    503: {"description": "Redis, or the server of the keys for tokens, is away."},
}

_Since = Annotated[str | None, Query(description="A position; without it all that is kept is given.")]
_Token = Annotated[str | None, Query(description="The token, where it is no `Authorization: Bearer`.")]


def catchup_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/ws/catchup` for staff, `/ws/catchup/session` for diners."""
    router = APIRouter(tags=["catch-up"])

    # Parameters are text and checked here: what is wrong with one is 400 and one sentence, like every other answer.
    @router.get(
        "/ws/catchup", summary="Missed critical events of a branch", response_class=Response, responses=_RESPONSES
    )
    async def branch(
        request: Request, branch_id: str | None = None, since: _Since = None, token: _Token = None
    ) -> Response:
        async def ask() -> CaughtUp:
            number, position = _number("branch_id", branch_id), _position(since)
            return await edge().catchup.branch(_token(request, token, "token"), number, position)

        return await _answer(edge(), request, ask)

    @router.get(
        "/ws/catchup/session",
        summary="Missed critical events of a table session",
        response_class=Response,
        responses=_RESPONSES,
    )
    async def session(
        request: Request, session_id: str | None = None, since: _Since = None, table_token: _Token = None
    ) -> Response:
        async def ask() -> CaughtUp:
            number, position = _number("session_id", session_id), _position(since)
            return await edge().catchup.session(_token(request, table_token, "table_token"), number, position)

        return await _answer(edge(), request, ask)

    return router


async def _answer(edge: Edge, request: Request, ask: Callable[[], Awaitable[CaughtUp]]) -> Response:
    response: Response
    try:
        response = Response(_body(await ask()), media_type="application/json")
    except tuple(STATUSES) as error:
        status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
        response = JSONResponse({"detail": str(error)}, status)
        if status is HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = "Bearer"
    response.headers["Cache-Control"] = "no-store"
    origin = request.headers.get("origin")
    if origin is not None:
        # A page of another origin may open a WebSocket, but read this only if it is told so (Fetch Standard, CORS).
        response.headers["Vary"] = "Origin"
        if edge.origins.allows(origin):
            response.headers["Access-Control-Allow-Origin"] = origin
    edge.metrics.resumes.on_catchup(response.status_code)
    return response


def _body(caught_up: CaughtUp) -> bytes:
    """The producers' own bytes, spliced as on the socket and encoded no second time; a position needs no escape."""
    events = b",".join(splice(event.payload, event.position) for event in caught_up.events)
    rest = f'],"position":"{caught_up.position}","more":{"true" if caught_up.more else "false"}}}'
    return b'{"events":[' + events + rest.encode("ascii")


def _token(request: Request, query_value: str | None, parameter: str) -> str:
    given = token_of_header(request.headers.get("authorization"))
    token = query_value if given is None else given
    if not token:
        raise TokenError(f"a token is needed: `Authorization: Bearer <token>` or ?{parameter}=…")
    return token


def _number(name: str, text: str | None) -> int:
    if text is None or _ID.fullmatch(text) is None or int(text) > MAX_ID:
        raise BadQueryError(f"`{name}` is needed: an integer from 1 to 2^53-1")
    return int(text)


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    if not is_position(text):
        raise BadQueryError("`since` is no position; expected one as it was given, or leave it out")
    return Position(text)
