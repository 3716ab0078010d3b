"""The URL of a gateway."""

from __future__ import annotations

from urllib.parse import urlsplit

import typer

_EXPECTED = "expected ws://host:port or wss://host"


def checked_url(url: str) -> str:
    """A gateway's URL without the slash at its end; a path is the prefix under which the gateway is mounted.

    Raises:
        typer.BadParameter: it is no WebSocket URL, or says more than where the gateway is.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError as error:
        raise typer.BadParameter(f"{error}; {_EXPECTED}") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise typer.BadParameter(f"{url!r} is not the URL of a WebSocket server; {_EXPECTED}")
    if parts.query or parts.fragment or "@" in parts.netloc:
        # Not shown: it may hold a token.
        raise typer.BadParameter(f"no query, fragment or user belongs there, and a token never does; {_EXPECTED}")
    if parts.path.rstrip("/").endswith("/ws") or "/ws/" in parts.path:
        raise typer.BadParameter(f"leave out the endpoint's path, which --as says; {_EXPECTED}")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
