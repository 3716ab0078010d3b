"""Where a WebSocket stands between the upgrade request and its owner."""

from __future__ import annotations

from enum import Enum, auto


class Stage(Enum):
    """The one state of a `HandoffProtocol`; every transition is made by `OfferedSocket`.

    | from | to | by |
    |---|---|---|
    | HANDSHAKE | ACCEPTING | `websocket.accept`, after the endpoint has asked for the socket |
    | ACCEPTING | ACCEPTED | the 101 is in the kernel |
    | ACCEPTED | DETACHED | `Handoff.detach` |
    | ACCEPTED | CLOSING | `websocket.close`, or the server shuts down |
    | HANDSHAKE | DELEGATED | anything else that the application says first, TLS, a malformed request |
    | HANDSHAKE, ACCEPTING, ACCEPTED, CLOSING | LOST | the client went, or the connection was cut |
    """

    HANDSHAKE = auto()
    """The application decides; nothing has been written."""

    ACCEPTING = auto()
    """The 101 is being written, and the client is not read any more."""

    ACCEPTED = auto()
    """The client has its 101; the socket waits for `detach`."""

    DETACHED = auto()
    """Whoever called `detach` owns the socket. Final."""

    CLOSING = auto()
    """A close frame was written; what the client still says is thrown away until it hangs up."""

    DELEGATED = auto()
    """uvicorn's own WebSocket class has the connection. Final."""

    LOST = auto()
    """There is no connection any more. Final."""
