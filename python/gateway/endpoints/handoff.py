"""Taking an accepted WebSocket out of its server, where server and core can do that."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Protocol

from gateway.fanout.base import DetachableSocket, DetachedSocket
from gateway.telemetry.logging import get_logger

EXTENSION = "gateway.handoff"
"""Where the server puts the offer in `scope["extensions"]`; see `gateway.server.extension`, which keeps `Offer`."""

_log = get_logger("gateway.endpoints.handoff")


class Offer(DetachableSocket, Protocol):
    """A server's offer to let a socket go."""

    def want(self) -> None:
        """Ask for the socket, before the handshake is accepted.

        Raises:
            NodeFullError: no descriptor is free.
        """
        ...

    def keep(self, keeper: Any) -> None:
        """Let the server wait for the keeper when it shuts down, now that the socket is no longer its own."""
        ...


class KeptSocket:
    """Keeps `DetachableSocket`: whoever detaches it leaves the keeper with its server, in the same step of the loop."""

    def __init__(self, offer: Offer, keeper: object) -> None:
        self._offer = offer
        self._keeper = keeper

    def want(self) -> None:
        """See `Offer.want`."""
        self._offer.want()

    def detach(self) -> DetachedSocket:
        """See `DetachableSocket.detach`."""
        detached = self._offer.detach()
        self._offer.keep(self._keeper)
        return detached


class Handoffs:
    """Finds the offer of a handshake, and says once when there is none. For one event loop."""

    def __init__(self, keeper: object, *, wanted: bool) -> None:
        """`wanted`: whether the core takes sockets at all; `keeper` stands for them with their server."""
        self._keeper = keeper
        self._wanted = wanted
        self._warned = False

    def offered(self, scope: MutableMapping[str, Any]) -> KeptSocket | None:
        """The socket that the server would let go; None where it stays with the server."""
        if not self._wanted:
            return None
        offer = scope.get("extensions", {}).get(EXTENSION)
        if offer is not None:
            return KeptSocket(offer, self._keeper)
        if not self._warned:
            self._warned = True
            _log.warning(
                "the server cannot hand sockets over, so connections cost it Python: without TLS in process, run"
                " `uvicorn --ws gateway.server.handoff:HandoffProtocol`, or say GATEWAY_SOCKETS=asgi"
            )
        return None
