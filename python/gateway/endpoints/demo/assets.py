"""The demo page's files, and how they are sent."""

from __future__ import annotations

from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from fastapi import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

CLIENT: Final = "fanout-client.js"
"""The TypeScript client's browser module, which is built and not kept in the repository: see `missing_client`."""

MEDIA_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

_FOLDER = files("gateway.endpoints.demo") / "assets"


def missing_client() -> str | None:
    """What to do where the TypeScript client's module is not there; None where it is."""
    if (_FOLDER / CLIENT).is_file():
        return None
    return (
        "the demo page needs the TypeScript client, which is not built: run `make clients` in the repository, which"
        " needs Node 20 or newer with npm"
    )


def page(host: str) -> Response:
    """The page itself, or the sentence that says how to get its client.

    Args:
        host: the `Host` under which it was asked for, where its WebSockets go.
    """
    if (why := missing_client()) is not None:
        return PlainTextResponse(f"{why[0].upper()}{why[1:]}.\n", 503)
    # 'self' includes WebSockets to the same host by CSP Level 3, but not in every browser that is still in use.
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse((_FOLDER / "index.html").read_bytes(), headers={"Content-Security-Policy": policy, **_HEADERS})


def asset(name: str) -> Response:
    """One of its files.

    Raises:
        HTTPException: 404, there is none of that name.
    """
    media_type = MEDIA_TYPES.get(PurePosixPath(name).suffix)
    # The name is one part of a path, so it leads nowhere else.
    if media_type is None or not (file := _FOLDER / name).is_file():
        raise HTTPException(404)
    return Response(file.read_bytes(), media_type=media_type, headers=_HEADERS)


_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
