"""The ASGI scope of a WebSocket handshake."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from uvicorn import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from gateway.server.handshake import Handshake


def websocket_scope(
    handshake: Handshake,
    transport: asyncio.Transport,
    config: Config,
    state: dict[str, Any],
    extensions: dict[str, Any],
) -> dict[str, Any]:
    """Build a scope of the ASGI WebSocket specification 2.4, with what uvicorn's own classes put into theirs."""
    path, _, query = handshake.target.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": config.asgi_version, "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "server": get_local_addr(transport),
        "client": get_remote_addr(transport),
        "root_path": config.root_path,
        "path": config.root_path + unquote(path),
        "raw_path": (config.root_path + path).encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": handshake.headers,
        "subprotocols": list(handshake.subprotocols),
        "state": state.copy(),
        # Denial responses are the delegate's, and it has them (uvicorn's own classes, since 0.24).
        "extensions": {"websocket.http.response": {}, **extensions},
    }
