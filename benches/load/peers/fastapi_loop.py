"""What most FastAPI applications do: a set of sockets, and `await ws.send_text(text)` for each in turn.

`python -m benches.load.peers.fastapi_loop --bytes=256`; `/open` admits everybody, `/ws?token=` checks a JWT.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, Query, WebSocket, WebSocketDisconnect, WebSocketException, status

from benches.load.peers.control import event_format, run_server
from gateway.auth.identity import Identity
from gateway.auth.jwt import JwtVerifier
from gateway.errors import TokenError
from gateway.settings import DEVELOPMENT_SECRET
from gateway.types import SystemClock

WELCOME = '{"type":"welcome"}'

app = FastAPI()
_format = event_format()
_connections: dict[WebSocket, None] = {}
# The very check that the gateway makes, so that a comparison of joins compares everything else.
_verifier = JwtVerifier({None: DEVELOPMENT_SECRET}, 86_400, SystemClock())


def _identity(token: Annotated[str, Query()]) -> Identity:
    try:
        return _verifier.verify(token)
    except TokenError as error:
        raise WebSocketException(status.WS_1008_POLICY_VIOLATION, str(error)) from error


@app.websocket("/ws")
async def checked(websocket: WebSocket, _who: Annotated[Identity, Depends(_identity)]) -> None:
    """A member whose token was checked."""
    await _serve(websocket)


@app.websocket("/open")
async def unchecked(websocket: WebSocket) -> None:
    """A member without a token."""
    await _serve(websocket)


async def _serve(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(WELCOME)
    _connections[websocket] = None
    try:
        while True:
            await websocket.receive_text()
            await websocket.send_text('{"type":"pong"}')
    except WebSocketDisconnect:
        pass
    finally:
        del _connections[websocket]


async def send(count: int, burst: int, first: int) -> int:
    """Event after event, socket after socket; between two bursts the event loop has its turn."""
    for start in range(first, first + count, burst):
        for number in range(start, min(start + burst, first + count)):
            text = _format.write(number)
            for websocket in list(_connections):
                await websocket.send_text(text)
        # Nothing above ever waits, so the loop would not run at all until the last event.
        await asyncio.sleep(0)
    return len(_connections)


if __name__ == "__main__":
    run_server(
        uvicorn.Config(
            app,
            # The fastest of uvicorn's own classes, without compression and pings: the best that stock can do.
            ws="websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            log_config=None,
            access_log=False,
            lifespan="off",
        ),
        send,
    )
