"""What an endpoint finds in its scope when its socket can be handed over."""

from __future__ import annotations

from uvicorn.server import ServerState

from gateway.fanout.base import DetachedSocket
from gateway.server.keeper import ConnectionKeeper
from gateway.server.offered_socket import OfferedSocket

EXTENSION = "gateway.handoff"
"""Its name in `scope["extensions"]`. It is missing under TLS and under every other server."""


class Handoff:
    """Takes an accepted WebSocket out of uvicorn; keeps `gateway.fanout.base.DetachableSocket`. Event loop only.

    ```python
    handoff = scope["extensions"].get("gateway.handoff")
    if handoff is not None:
        handoff.want()
    await websocket.accept()
    if handoff is not None:
        descriptor, early = handoff.detach()
        ...  # whoever owns it from now on takes it here
        handoff.keep(keeper)
    ```

    An endpoint that asked and ends without `detach` has its connection cut.
    """

    __slots__ = ("_server", "_socket")

    def __init__(self, socket: OfferedSocket, server: ServerState) -> None:
        self._socket = socket
        self._server = server

    def want(self) -> None:
        """Ask for the socket: the next `websocket.accept` makes it ready for `detach`.

        An endpoint that then refuses after all is served as if it had not asked.

        Raises:
            NodeFullError: no descriptor is free; nothing has been written, so the client can be refused with a status.
            RuntimeError: the handshake has been answered already.
        """
        self._socket.reserve()

    def keep(self, keeper: ConnectionKeeper) -> None:
        """Let this server wait for the keeper's connections when it shuts down.

        Right after `detach`, when the socket has its new owner: in the same step of the loop there is no moment at
        which uvicorn knows of neither the connection nor its keeper.
        """
        keeper.keep(self._server)

    def detach(self) -> DetachedSocket:
        """Take the socket. uvicorn forgets the connection without the client noticing; the caller owns it now.

        A client that has gone in the meantime may be noticed only by reading the descriptor.

        Raises:
            ConnectionGoneError: the connection has ended.
            RuntimeError: it was not asked for, is not accepted yet, or was taken already.
        """
        return self._socket.detach()
