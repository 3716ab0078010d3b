"""Rooms with members, and who is in one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parameters import Cursor, Limit, Nodes, Tenant, TheBranch, TheTenant
from gateway.endpoints.api.route import BUSY, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError
from gateway.hub.census import Census
from gateway.hub.census_views import Presence, RoomsFound, RoomView, merge_presence, merge_rooms
from gateway.types import Room

ROOMS: Final = "rooms"
PRESENCE: Final = "presence"

_CURSOR: Final = re.compile(r"([1-9][0-9]{0,15})\.([1-9][0-9]{0,15})", re.ASCII)


class Rooms(msgspec.Struct, frozen=True):
    """A page of rooms, by tenant and branch; `silent` nodes are not counted in."""

    rooms: list[RoomView]
    cursor: str | None
    silent: tuple[str, ...]


class PresentUser(msgspec.Struct, frozen=True):
    """A user: how many connections by endpoint, and on which nodes."""

    subject: str
    endpoints: dict[str, int]
    nodes: tuple[str, ...]


class PresentSession(msgspec.Struct, frozen=True):
    """A table session: how many connections, and on which nodes."""

    session: int
    connections: int
    nodes: tuple[str, ...]


class Present(msgspec.Struct, frozen=True):
    """Who is in a branch, over all nodes but the `silent` ones; `more` says that some are left out."""

    users: list[PresentUser]
    sessions: list[PresentSession]
    more: bool
    silent: tuple[str, ...]


def rooms_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/rooms` and `/presence`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.READ))

    @router.get("/rooms", summary="Rooms with members", **describe(Rooms, BUSY, UNAVAILABLE))
    async def rooms(
        tenant: Tenant = None, limit: Limit = 100, cursor: Cursor = None, nodes: Nodes = "this"
    ) -> Response:
        talk = edge().api.talk
        args = {"tenant": tenant, "after": _after(cursor), "limit": limit + 1}
        answers = await (talk.ask_all if nodes == "all" else talk.ask_here)(ROOMS, args)
        found, silent = answers.read(RoomsFound)
        page, more = merge_rooms(list(found.values()), limit)
        return answer(Rooms(page, f"{page[-1].tenant}.{page[-1].branch}" if more else None, silent))

    @router.get("/presence", summary="Who is in a branch, over all nodes", **describe(Present, BUSY, UNAVAILABLE))
    async def presence(tenant: TheTenant, branch: TheBranch) -> Response:
        answers = await edge().api.talk.ask_all(PRESENCE, {"room": (tenant, branch)})
        found, silent = answers.read(Presence)
        whole = merge_presence(found.values())
        users = [PresentUser(subject, group.endpoints, group.nodes) for subject, group in whole.users.items()]
        sessions = [
            PresentSession(session, sum(group.endpoints.values()), group.nodes)
            for session, group in whole.sessions.items()
        ]
        return answer(Present(users, sessions, whole.is_cut, silent))

    return router


def _after(cursor: str | None) -> Room:
    if cursor is None:
        return Room(0, 0)
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise BadRequestError("`cursor` is none; expected one as it was given, or leave it out")
    return Room(int(match[1]), int(match[2]))


def answer_rooms(edge: Edge, census: Census) -> None:
    """Let other nodes ask this one."""

    async def rooms(args: Mapping[str, Any]) -> RoomsFound:
        return await census.rooms(args["tenant"], Room(*args["after"]), int(args["limit"]))

    async def presence(args: Mapping[str, Any]) -> Presence:
        return await census.presence(Room(*args["room"]))

    edge.api.talk.answer_with(ROOMS, rooms)
    edge.api.talk.answer_with(PRESENCE, presence)
