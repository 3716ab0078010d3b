"""The operator API, put together."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from gateway.endpoints.api.connections import answer_connections, connections_router
from gateway.endpoints.api.dead_letters import dead_letters_router
from gateway.endpoints.api.deliveries import answer_deliveries, deliveries_router
from gateway.endpoints.api.drain import drain_router
from gateway.endpoints.api.events_in import events_in_router
from gateway.endpoints.api.history import history_router
from gateway.endpoints.api.revoke import revoke_router
from gateway.endpoints.api.rooms import answer_rooms, rooms_router
from gateway.endpoints.api.status import answer_status, status_router
from gateway.endpoints.edge import Edge
from gateway.hub.census import Census

PREFIX = "/api/v1"


def api_router(edge: Callable[[], Edge]) -> APIRouter:
    """Every route under `PREFIX`."""
    router = APIRouter(prefix=PREFIX, tags=["operator API"])
    parts = (
        status_router,
        connections_router,
        rooms_router,
        events_in_router,
        revoke_router,
        history_router,
        dead_letters_router,
        deliveries_router,
        drain_router,
    )
    for part in parts:
        router.include_router(part(edge))
    return router


def answer_nodes(edge: Edge, census: Census) -> None:
    """Answer whatever the API asks of nodes, this node's own API included."""
    answer_status(edge)
    answer_connections(edge, census)
    answer_rooms(edge, census)
    answer_deliveries(edge)
