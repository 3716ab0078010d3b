"""Who may use the demo: a browser on this machine, at a page from this machine."""

from __future__ import annotations

from fastapi import HTTPException, Request

from gateway.endpoints.local import is_local


def loopback_only(request: Request) -> None:
    """A dependency that answers 403 to all others: whoever is let in is given tokens."""
    if is_local(request):
        return
    raise HTTPException(
        403,
        "The demo is for a browser on the gateway's own machine: open it as http://127.0.0.1:<port>/demo, without a"
        " proxy between.",
    )
