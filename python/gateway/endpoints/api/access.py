"""Who may use a route of the operator API."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import HTTPException, Request, Security
from fastapi.params import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from gateway.auth.bearer import token_of_header
from gateway.endpoints.api.keys import OPERATOR, KeyHolder, Scope
from gateway.endpoints.edge import Edge
from gateway.endpoints.operator import is_local


def holder_of(edge: Edge, connection: HTTPConnection, key: str | None) -> KeyHolder:
    """Who asks, by the key that it shows; on loopback in development nobody needs one as long as none is set.

    Raises:
        HTTPException: 401 for no or an unknown key, 403 where the API is closed.
    """
    keys = edge.api.keys
    if not keys:
        if edge.development and is_local(connection) and not _is_led_by_a_page(connection):
            return KeyHolder(OPERATOR, frozenset(Scope))
        raise HTTPException(
            403,
            "the operator API is closed: set GATEWAY_OPERATOR_KEY, or GATEWAY_API_READ_KEYS, GATEWAY_API_PUBLISH_KEYS"
            " or GATEWAY_API_OPERATE_KEYS, and send the key as `Authorization: Bearer <key>`",
        )
    holder = None if key is None else keys.holder(key)
    if holder is None:
        raise HTTPException(
            401,
            "no valid key was sent; expected `Authorization: Bearer <key>` with a key of the gateway's settings",
            {"WWW-Authenticate": "Bearer"},
        )
    return holder


def _is_led_by_a_page(connection: HTTPConnection) -> bool:
    """Whether a page of somebody else's may have led a browser on this machine here.

    It needs no key then, and can send what needs no preflight, though not read the answer. Its origin tells it; or the
    name in `Host`, where it had its own name resolve to this machine (DNS rebinding).
    """
    host = connection.headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
        if name != "localhost" and not ipaddress.ip_address(name).is_loopback:
            return True
    except ValueError:
        return True
    origin = connection.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != host


def check_scope(holder: KeyHolder, scope: Scope) -> None:
    """Return if a holder may do that.

    Raises:
        HTTPException: 403.
    """
    if scope not in holder.scopes:
        has = ", ".join(sorted(holder.scopes))
        raise HTTPException(
            403,
            f"this key has the scope {has}, and {scope} is needed; use a key of GATEWAY_API_{scope.upper()}_KEYS or"
            " GATEWAY_OPERATOR_KEY",
        )


def needs(edge: Callable[[], Edge], scope: Scope) -> list[Depends]:
    """A route's dependencies: its scope is checked before anything else of the request is looked at.

    The holder is left in `request.state.holder`.
    """

    def check(request: Request) -> None:
        # Not what `HTTPBearer` found: a second reading of the header could differ from the other endpoints'.
        holder = holder_of(edge(), request, token_of_header(request.headers.get("authorization")))
        check_scope(holder, scope)
        request.state.holder = holder

    # OpenAPI 3.1 lets the names of roles stand where OAuth has its scopes.
    return [Depends(check), Security(_DOCUMENTED, scopes=[scope])]


# Says in OpenAPI how to authenticate; it refuses nobody.
_DOCUMENTED = HTTPBearer(auto_error=False, description="A key of the gateway's settings, by scope.")
