"""Reading a request's body: bounded, and checked against a struct."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request
from starlette.responses import Response

from gateway.errors import BadRequestError, RequestTooBigError

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""A batch of a thousand events of 8 KiB, or 127 of the largest."""

T = TypeVar("T")


async def body_of(request: Request, kind: type[T]) -> T:
    """The request's body.

    Raises:
        RequestTooBigError: it is longer than `MAX_BODY_BYTES`; the rest is not read.
        BadRequestError: it is not JSON, or not of that kind; the text names the member and repeats no value.
    """
    chunks = []
    size = 0
    # Counted as it comes: a Content-Length may lie, or not be there.
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise RequestTooBigError(f"the body is over {MAX_BODY_BYTES} bytes; send less at a time")
        chunks.append(chunk)
    try:
        return msgspec.json.decode(b"".join(chunks), type=kind)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"the body is not what is expected: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadRequestError("the body is not JSON; expected one object") from None


def answer(body: Any, status: int = 200) -> Response:
    """A response with a struct, or whatever else msgspec writes."""
    return Response(msgspec.json.encode(body), status, media_type="application/json")
