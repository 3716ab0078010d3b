"""Who may use the demo: a browser on this machine, at a page from this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from fastapi import HTTPException, Request

from gateway.endpoints.operator import is_local


def loopback_only(request: Request) -> None:
    """A dependency that answers 403 to all others: whoever is let in is given tokens.

    The peer must be on loopback, with no proxy between. The `Host` must be loopback's, since a stranger's page could
    let its own name point here (DNS rebinding) and read the answers; and an `Origin` must be that of the page.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if is_local(request) and _is_loopback(host) and origin in (None, f"{request.url.scheme}://{host}"):
        return
    raise HTTPException(
        403,
        "The demo is for a browser on the gateway's own machine: open it as http://127.0.0.1:<port>/demo, without a"
        " proxy between.",
    )


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
