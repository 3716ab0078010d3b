"""What a room's history holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parameters import TheBranch, TheTenant
from gateway.endpoints.api.route import GONE, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError
from gateway.hub.catchup import MAX_EVENTS
from gateway.hub.history_page import read_history
from gateway.protocol.live import CriticalEvent
from gateway.protocol.positions import Position, entry_id, is_position
from gateway.types import Room

_Since = Annotated[
    str | None, Query(description="A position; without it all that is kept is given, oldest first.", max_length=64)
]
_Limit = Annotated[int, Query(description="How many at most.", ge=1, le=MAX_EVENTS)]

NOT_A_POSITION: Final = "`since` is no position; expected one as it was given, or leave it out"


class HistoryEvent(msgspec.Struct, frozen=True):
    """One critical event, with the audiences that it is for."""

    position: str
    event_id: str
    audiences: tuple[str, ...]
    event: msgspec.Raw

    @classmethod
    def of(cls, event: CriticalEvent) -> HistoryEvent:
        """As it stands in an answer; the producer's own bytes, encoded no second time."""
        return cls(event.position, entry_id(event.position), event.audiences, msgspec.Raw(event.payload))


class History(msgspec.Struct, frozen=True):
    """A page: `position` is the next `since`, `more` whether there is more behind it."""

    events: list[HistoryEvent]
    position: str
    more: bool


def history_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/history`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.READ))

    @router.get("/history", summary="Critical events of a branch", **describe(History, GONE, UNAVAILABLE))
    async def history(tenant: TheTenant, branch: TheBranch, since: _Since = None, limit: _Limit = 100) -> Response:
        if since is not None and not is_position(since):
            raise BadRequestError(NOT_A_POSITION)
        room, position = Room(tenant, branch), None if since is None else Position(since)
        found = await read_history(edge().api.history, room, position, limit, lambda _audiences: True)
        return answer(History([HistoryEvent.of(event) for event in found.events], found.position, found.more))

    return router
