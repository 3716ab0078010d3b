"""Who may use the operator's endpoints."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from fastapi import HTTPException, Request

from gateway.auth.bearer import token_of_header
from gateway.endpoints.edge import Edge
from gateway.endpoints.local import is_local


def operator_only(edge: Callable[[], Edge]) -> Callable[[Request], None]:
    """A dependency that lets the operator through and answers 401 or 403 to all others."""

    def check(request: Request) -> None:
        key = edge().operator_key
        if key is None:
            if not (edge().development and is_local(request)):
                raise HTTPException(
                    403,
                    "Operator endpoints are closed: set GATEWAY_OPERATOR_KEY and send it as"
                    " `Authorization: Bearer <key>`.",
                )
            return
        given = token_of_header(request.headers.get("authorization"))
        if given is None or not hmac.compare_digest(given.encode(), key.encode()):
            raise HTTPException(
                401, "Send the operator key as `Authorization: Bearer <key>`.", {"WWW-Authenticate": "Bearer"}
            )

    return check
