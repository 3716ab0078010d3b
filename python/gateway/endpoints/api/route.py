"""A route of the operator API: whatever goes wrong is one sentence in `{"error": …}`."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from gateway.errors import (
    BadRequestError,
    BrokerError,
    BrokerFullError,
    DeadLetterGoneError,
    EventRefusedError,
    NodesBusyError,
    NodeSilentError,
    NodeUnknownError,
    NotThereError,
    PositionUnknownError,
    PublishRateError,
    RequestTooBigError,
)

STATUSES: Final[dict[type[Exception], HTTPStatus]] = {
    BadRequestError: HTTPStatus.BAD_REQUEST,
    EventRefusedError: HTTPStatus.BAD_REQUEST,
    RequestTooBigError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NodeUnknownError: HTTPStatus.NOT_FOUND,
    NotThereError: HTTPStatus.NOT_FOUND,
    DeadLetterGoneError: HTTPStatus.NOT_FOUND,
    PositionUnknownError: HTTPStatus.GONE,
    PublishRateError: HTTPStatus.TOO_MANY_REQUESTS,
    NodesBusyError: HTTPStatus.TOO_MANY_REQUESTS,
    BrokerFullError: HTTPStatus.TOO_MANY_REQUESTS,  # in front of what it is a kind of
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
    NodeSilentError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What errors are answered with."""

MEANINGS: Final[dict[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "A parameter or the body is malformed.",
    HTTPStatus.UNAUTHORIZED: "No key, or an unknown one.",
    HTTPStatus.FORBIDDEN: "The key has not the scope that is needed, or the API is closed.",
    HTTPStatus.NOT_FOUND: "There is no such thing.",
    HTTPStatus.GONE: "The position is not known any more: fetch the state anew.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is too long.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too much at a time; `Retry-After` says when to try again.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Redis, or the node that was asked, is away.",
}
"""What each status means, for the documentation."""

MISSING: Final = HTTPStatus.NOT_FOUND
GONE: Final = HTTPStatus.GONE
BUSY: Final = HTTPStatus.TOO_MANY_REQUESTS
UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE

RETRY_SECONDS: Final = 1
"""After which to try again where nothing more exact is known."""


class ApiRoute(APIRoute):
    """Answers errors itself, so that the API speaks the same in whatever application it is mounted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute`."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            response: Response
            try:
                response = await handler(request)
            except RequestValidationError as error:
                response = refusal(HTTPStatus.BAD_REQUEST, _sentence(error))
            except HTTPException as error:
                response = refusal(HTTPStatus(error.status_code), str(error.detail))
                response.headers.update(error.headers or {})
            except tuple(STATUSES) as error:
                status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
                response = refusal(status, str(error))
                if status is HTTPStatus.TOO_MANY_REQUESTS:
                    wait = error.wait if isinstance(error, PublishRateError) else RETRY_SECONDS
                    response.headers["Retry-After"] = str(math.ceil(wait))
            response.headers["Cache-Control"] = "no-store"
            return response

        return answered


def refusal(status: HTTPStatus, sentence: str) -> JSONResponse:
    """The answer to what is refused."""
    return JSONResponse({"error": sentence}, status)


def _sentence(error: RequestValidationError) -> str:
    """Which parameters are wrong, and what was expected; values are not repeated."""
    parts = []
    for detail in error.errors():
        where = ".".join(str(part) for part in detail["loc"][1:])
        parts.append(f"`{where}` in the {detail['loc'][0]}: {detail['msg']}")
    return "; ".join(parts)
