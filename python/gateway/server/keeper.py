"""Native connections, as one entry in uvicorn's bookkeeping."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from uvicorn.server import ServerState


class ConnectionKeeper:
    """Stands in uvicorn's set of connections for all the sockets that were taken out of it. Event loop only.

    While it stands there, uvicorn's graceful shutdown tells it (`shutdown`) and waits for it, for at most
    `timeout_graceful_shutdown`, as it does with connections of its own. For one run of a gateway.

    It counts as one: uvicorn's `limit_concurrency` does not see how many sockets there are.
    """

    def __init__(self, on_shutdown: Callable[[], None]) -> None:
        """`on_shutdown` is to close every native connection within a bounded time, and to call `empty` after the last.

        If there is none it is to call `empty` at once. It must neither block nor raise. It is called again for a
        connection that is kept after the shutdown.
        """
        self._on_shutdown = on_shutdown
        self._servers: set[ServerState] = set()
        self._shut_down = False

    def keep(self, server: ServerState) -> None:
        """There is a native connection that this server accepted, and `on_shutdown` would close it too.

        uvicorn asks for a shutdown once. A handshake that its listener took up at that very moment is heard of only
        later, so what is kept after a shutdown is told of it anew.
        """
        self._servers.add(server)
        cast("set[object]", server.connections).add(self)
        if self._shut_down:
            self._on_shutdown()

    def empty(self) -> None:
        """The last native connection is gone: uvicorn need not wait any more."""
        for server in self._servers:
            cast("set[object]", server.connections).discard(self)
        self._servers.clear()

    def shutdown(self) -> None:
        """The server shuts down; uvicorn calls this on everything that is in its set."""
        self._shut_down = True
        self._on_shutdown()
