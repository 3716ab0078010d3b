"""The gateway itself, with its fan-out driven from standard input instead of from Redis.

`python -m benches.load.peers.gateway_server [--sockets=native|asgi] --bytes=256`, with GATEWAY_REDIS_URL set. Clients
come by `/ws/waiter?token=` as in life; `/bare` makes a connection without identity keys and label, which shows what the
core alone holds. Sending is `submit_many`: Redis, parsing and routing are not on the measured path.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvicorn
from fastapi import FastAPI, WebSocket

from benches.load.peers.control import event_format, run_server
from gateway.app import Gateway, create_app
from gateway.fanout import NodeFanout
from gateway.fanout.base import ConnectionIdentity, Membership, Submission
from gateway.settings import Settings
from gateway.telemetry.logging import configure_logging
from gateway.types import Room

ROOM = Room(1, 5)
AUDIENCE = "branch:5:waiters"

HANDOFF = "gateway.handoff"

_NEVER = 36_000.0
"""Seconds; the clients of a bench send no heartbeats where none are measured."""

PASS_SECONDS = 60.0

_format = event_format()


class GatewayBench:
    """Drives one gateway's fan-out. Event loop only."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    @property
    def fanout(self) -> NodeFanout:
        """The running gateway's."""
        return cast("NodeFanout", self._gateway.fanout)

    async def send(self, count: int, burst: int, first: int) -> int:
        """See `SendEvents`. The next burst is submitted when the one before it has been passed on by all owners."""
        fanout = self.fanout
        for number in range(first, first + count, burst):
            last = min(number + burst, first + count)
            items = [
                Submission(ROOM, (AUDIENCE,), _format.write(sequence).encode()) for sequence in range(number, last)
            ]
            if not all(fanout.submit_many(items)):
                raise RuntimeError(f"the core refused one of the events {number} to {last - 1}")
            await self._passed(fanout)
        return fanout.stats().connections

    async def _passed(self, fanout: NodeFanout) -> None:
        # Told by the reactors, where there are some: to ask again and again would be counted as fan-out's CPU.
        sockets = fanout._sockets  # noqa: SLF001 - a bench may look behind the port
        if sockets is not None:
            if not await sockets.passed(PASS_SECONDS):
                raise RuntimeError(f"reactors have not passed an event within {PASS_SECONDS:g} s")
            return
        while fanout.stats().broadcasts_in_flight:  # noqa: ASYNC110 - workers of this loop are about to run
            await asyncio.sleep(0)

    async def bare(self, websocket: WebSocket) -> None:
        """An endpoint that checks nothing and gives the core nothing to keep but the membership."""
        handoff = websocket.scope.get("extensions", {}).get(HANDOFF)
        if handoff is not None:
            handoff.want()
        await websocket.accept()
        fanout = self.fanout
        connection = fanout.attach(
            websocket if handoff is None else handoff,
            [Membership(ROOM, (AUDIENCE,))],
            ConnectionIdentity(tenant=ROOM.tenant),
            lambda _connection: '{"type":"welcome"}',
        )
        if handoff is None:
            await fanout.serve(connection)


def build(*, native: bool) -> tuple[FastAPI, GatewayBench]:
    """The application of `gateway serve`, and the endpoint without identity."""
    settings = Settings.load(
        max_connections_per_user=0,
        # What joins cost is measured here, not how they are spread out.
        join_rate=0,
        heartbeat_interval=_NEVER,
        heartbeat_timeout=_NEVER,
        # The server has one core, so one reactor; the asyncio workers of ASGI connections share one thread anyway.
        broadcast_workers=1 if native else None,
    )
    app = create_app(settings)
    bench = GatewayBench(app.state.gateway)
    app.add_api_websocket_route("/bare", bench.bare)
    return app, bench


if __name__ == "__main__":
    # One line for each connection, as `gateway serve` writes: part of what a join costs.
    configure_logging()
    native = "--sockets=native" in sys.argv
    application, driven = build(native=native)
    run_server(
        uvicorn.Config(
            application,
            ws="gateway.server.handoff:HandoffProtocol" if native else "websockets-sansio",
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            log_config=None,
            access_log=False,
            lifespan="on",
        ),
        driven.send,
    )
