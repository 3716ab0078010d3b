"""The four WebSocket endpoints: refusals before the upgrade, then accept, join, serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from math import ceil

from fastapi import APIRouter
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.auth.bearer import token_from
from gateway.endpoints.edge import Edge
from gateway.errors import ConnectionGoneError, DrainingError, GatewayError, JoinQueueError, NodeFullError
from gateway.hub.manager import RefusedError
from gateway.hub.profiles import PROFILES, EndpointProfile
from gateway.protocol.close_codes import WSCloseCode, reason_phrase
from gateway.telemetry.logging import get_logger
from gateway.types import ConnectionId

_FOR_NOW: dict[type[GatewayError], str] = {
    DrainingError: "draining",
    NodeFullError: "node_full",
    JoinQueueError: "busy",
}
"""Why a handshake is told to come back later (503): the outcome in metrics and logs."""

_log = get_logger("gateway.endpoints.websocket")


def websocket_router(edge: Callable[[], Edge]) -> APIRouter:
    """Routes of all profiles; `edge()` is asked at each handshake, since a gateway starts after its routes exist."""
    router = APIRouter()
    for profile in PROFILES.values():
        # Starlette's, not FastAPI's own: there is nothing to inject, and looking for it costs every handshake.
        router.add_websocket_route(profile.path, _endpoint(profile, edge), name=f"ws-{profile.name}")
        router.add_api_route(profile.path, _upgrade_required(profile), include_in_schema=False, methods=["GET"])
    return router


def _endpoint(profile: EndpointProfile, edge: Callable[[], Edge]) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(websocket: WebSocket) -> None:
        await _Handshake(edge(), profile, websocket).run()

    return endpoint


def _upgrade_required(profile: EndpointProfile) -> Callable[[], PlainTextResponse]:
    def upgrade_required() -> PlainTextResponse:
        # RFC 9110 §15.5.22: the answer to a plain request says what to upgrade to.
        return PlainTextResponse(
            f"{profile.path} is a WebSocket endpoint: connect with ws:// or wss://.\n",
            status_code=HTTPStatus.UPGRADE_REQUIRED,
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )

    return upgrade_required


class _Handshake:
    """One handshake. A native socket is the core's when it succeeds; on the ASGI way the connection is served here."""

    def __init__(self, edge: Edge, profile: EndpointProfile, websocket: WebSocket) -> None:
        self._edge = edge
        self._profile = profile
        self._websocket = websocket
        self._handoff = edge.handoffs.offered(websocket.scope)

    async def run(self) -> None:
        if wait := self._edge.attempts.wait(self._websocket):
            sentence = "Too many attempts from this address."
            await self._deny(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", sentence, retry_after=wait)
        else:
            await self._run()

    async def _run(self) -> None:
        websocket = self._websocket
        # A second Origin is no browser's: whoever adds one hopes that two readers take a different one of them.
        origins = websocket.headers.getlist("origin")
        if len(origins) > 1 or not self._edge.origins.allows(origins[0] if origins else None):
            await self._deny(HTTPStatus.FORBIDDEN, "bad_origin", "This Origin may not connect.")
            return
        bearer = token_from(
            websocket.query_params.get(self._profile.token_parameter), websocket.scope.get("subprotocols", ())
        )
        if bearer.token is None:
            await self._deny(
                HTTPStatus.UNAUTHORIZED,
                "no_token",
                f"A token is needed: ?{self._profile.token_parameter}=… or the subprotocols `bearer, <token>`.",
            )
            return
        staff = self._profile.is_staff  # as far as a path can say; the token is looked at later
        try:
            self._check_draining()
            with self._edge.admission.handshake(staff=staff):
                await self._edge.joins.turn(staff=staff)
                self._check_draining()  # it may have begun since
                if self._handoff is not None:
                    self._handoff.want()
                connection = await self._join(bearer.token, bearer.subprotocol)
        except tuple(_FOR_NOW) as error:
            await self._deny(
                HTTPStatus.SERVICE_UNAVAILABLE,
                _FOR_NOW[type(error)],
                str(error),
                retry_after=self._edge.joins.retry_after(),
            )
            return
        if connection is not None and self._handoff is None:
            await self._edge.fanout.serve(connection)

    async def _join(self, token: str, subprotocol: str | None) -> ConnectionId | None:
        """The connection; None if there is none, and the client has been told why."""
        try:
            await self._websocket.accept(subprotocol)
            resume = self._websocket.query_params.getlist("resume")
            return await self._edge.manager.join(self._profile, token, self._handoff or self._websocket, resume)
        except RefusedError as error:
            await self._close(error.code)
        except (WebSocketDisconnect, ConnectionGoneError):
            self._edge.observer.on_handshake(self._profile.name, "disconnected")
        except Exception:  # noqa: BLE001 - logged in full below; one connection must not end others
            self._edge.observer.on_handshake(self._profile.name, "error")
            _log.exception("handshake failed", endpoint=self._profile.name)
            await self._close(WSCloseCode.SERVER_ERROR)
        return None

    def _check_draining(self) -> None:
        if self._edge.draining:
            raise DrainingError("this node is shutting down; connect again")

    async def _deny(self, status: HTTPStatus, outcome: str, sentence: str, *, retry_after: float | None = None) -> None:
        self._edge.observer.on_handshake(self._profile.name, outcome)
        _log.info("denied", endpoint=self._profile.name, outcome=outcome, status=int(status))
        headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else {}
        if retry_after is not None:
            headers["Retry-After"] = str(ceil(retry_after))  # whole seconds (RFC 9110 §10.2.3)
        response = PlainTextResponse(sentence + "\n", status_code=status, headers=headers)
        if "websocket.http.response" in self._websocket.scope.get("extensions", {}):
            await self._websocket.send_denial_response(response)
        else:
            # A server without that extension can say 403 and no more (ASGI, "WebSocket Denial Response").
            await self._websocket.close()

    async def _close(self, code: WSCloseCode) -> None:
        try:
            if self._handoff is not None:
                self._edge.fanout.refuse(self._handoff, code)
            else:
                await self._websocket.close(code, reason_phrase(code))
        except (GatewayError, RuntimeError, OSError, WebSocketDisconnect):
            # The peer was faster, or the handshake never got as far as a frame, or the reactors have ended. A socket
            # that nobody took is cut by its server when this returns.
            _log.debug("peer gone before its close", endpoint=self._profile.name)
