"""Liveness and readiness."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from gateway.endpoints.edge import Edge
from gateway.endpoints.operator import operator_only
from gateway.errors import BrokerError

REDIS_SECONDS = 2.0
"""How long readiness waits for Redis: below the second or two that probes usually allow per attempt."""


def health_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/ws/health` for everybody, `/ws/health/detailed` for the operator."""
    router = APIRouter(tags=["health"])

    @router.get("/ws/health", summary="Liveness: 200 while the process serves")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/ws/health/detailed",
        summary="Readiness: 503 when the node should get no new connections",
        dependencies=[Depends(operator_only(edge))],
        responses={503: {"description": "Not ready; the body says why."}},
    )
    async def detailed() -> JSONResponse:
        body = await readiness(edge())
        return JSONResponse(body, 200 if body["status"] == "ready" else 503)

    return router


async def readiness(edge: Edge) -> dict[str, Any]:
    """Everything that decides whether this node is ready, and the reasons if it is not."""
    reasons = []
    redis_error: str | None = None
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            await edge.broker.ping()
    except BrokerError as error:
        redis_error = str(error)
    except TimeoutError:
        redis_error = f"no answer within {REDIS_SECONDS:g} s"
    if redis_error is not None:
        reasons.append("redis")
    ways_in = edge.ways_in
    if not ways_in.pubsub():
        reasons.append("pubsub")
    if not ways_in.live():
        reasons.append("live")
    if not ways_in.announcements():
        reasons.append("announcements")
    if edge.draining:
        reasons.append("draining")
    stats = edge.fanout.stats()
    return {
        "status": "not_ready" if reasons else "ready",
        "reasons": reasons,
        "redis": {"reachable": redis_error is None, "error": redis_error, "subscribed": ways_in.pubsub()},
        "critical": {
            "live": ways_in.live(),
            "active_relay": ways_in.relay(),
            "lost_at_source": ways_in.lost_at_source(),
        },
        "draining": edge.draining,
        "fanout": {
            "core": edge.fanout.name,
            "broadcasts_in_flight": stats.broadcasts_in_flight,
            "bytes_in_flight": stats.bytes_in_flight,
        },
        "connections": stats.connections,
        "rooms": stats.rooms,
    }
