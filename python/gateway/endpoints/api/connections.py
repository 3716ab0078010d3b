"""Who is connected, on this node or on all; and disconnecting somebody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.journal import journal
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parameters import Branch, Cursor, Limit, Nodes, Session, Tenant, User
from gateway.endpoints.api.route import BUSY, MISSING, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError, NotThereError
from gateway.hub.census import Census, Wanted, connection_number
from gateway.hub.census_views import ConnectionView, Found
from gateway.hub.node_question import Answers
from gateway.protocol.close_codes import WSCloseCode
from gateway.types import ConnectionId

CONNECTIONS: Final = "connections"
CLOSE: Final = "close"

CLOSE_CODES: Final = tuple(
    int(code)
    for code in (
        WSCloseCode.NORMAL,
        WSCloseCode.GOING_AWAY,
        WSCloseCode.POLICY_VIOLATION,
        WSCloseCode.SERVER_OVERLOADED,
        WSCloseCode.AUTH_FAILED,
        WSCloseCode.FORBIDDEN,
        WSCloseCode.RATE_LIMITED,
    )
)
"""Codes that an operator may close with."""

DEFAULT_CODE: Final = int(WSCloseCode.POLICY_VIOLATION)
"""The client stays away."""

ConnectionName = Annotated[str, Path(description="A connection's name, as `welcome` gives it.", max_length=128)]
_Code = Annotated[
    int,
    Query(description="Close code; it says whether the client comes back.", json_schema_extra={"enum": [*CLOSE_CODES]}),
]
_Endpoint = Annotated[str | None, Query(description="`waiter`, `kitchen`, `admin` or `diner`.", max_length=32)]


class Connections(msgspec.Struct, frozen=True):
    """A page of connections.

    Attributes:
        connections: by node, oldest first.
        cursor: asks for the next page, which may be there though this one is short or empty; null at the end.
        silent: nodes that live and did not answer; theirs are missing.
    """

    connections: list[ConnectionView]
    cursor: str | None
    silent: tuple[str, ...]


class Closed(msgspec.Struct, frozen=True):
    """Whether a connection was there and is being closed."""

    closed: bool


def connections_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/connections`."""
    router = APIRouter(route_class=ApiRoute)

    @router.get(
        "/connections",
        summary="Who is connected",
        dependencies=needs(edge, Scope.READ),
        **describe(Connections, BUSY, UNAVAILABLE),
    )
    async def connections(
        *,
        tenant: Tenant = None,
        branch: Branch = None,
        user: User = None,
        session: Session = None,
        endpoint: _Endpoint = None,
        limit: Limit = 100,
        cursor: Cursor = None,
        nodes: Nodes = "this",
    ) -> Response:
        if tenant is None and (branch, user, session) != (None, None, None):
            raise BadRequestError("`branch`, `user` and `session` have a meaning in a tenant alone: give `tenant` too")
        talk = edge().api.talk
        node, number = node_and_number(cursor) if cursor else ("", 0)
        args = {
            "wanted": msgspec.to_builtins(Wanted(tenant, branch, user, session, endpoint)),
            "node": node,
            "number": number,
            "limit": limit + 1,  # one more says whether there is more
        }
        answers = await (talk.ask_all if nodes == "all" else talk.ask_here)(CONNECTIONS, args)
        return answer(_page(answers, limit))

    @router.delete(
        "/connections/{name}",
        summary="Disconnect somebody, on whatever node",
        dependencies=needs(edge, Scope.OPERATE),
        **describe(Closed, MISSING, BUSY, UNAVAILABLE),
    )
    async def disconnect(
        request: Request, name: ConnectionName, code: _Code = WSCloseCode.POLICY_VIOLATION
    ) -> Response:
        if code not in CLOSE_CODES:
            raise BadRequestError(f"`code` is {code}; expected one of {', '.join(map(str, CLOSE_CODES))}")
        node, number = node_and_number(name)
        body = await edge().api.talk.ask_one(node, CLOSE, {"number": number, "code": code})
        closed = msgspec.json.decode(body, type=bool)
        journal(request, "disconnect", connection=name, code=code, closed=closed)
        if not closed:
            raise NotThereError(
                "no such connection is here any more; it may have left, or come back under another name"
            )
        return answer(Closed(closed))

    return router


def _page(answers: Answers, limit: int) -> Connections:
    """The first of what all nodes found, in the order of nodes and numbers."""
    page: list[ConnectionView] = []
    bodies, silent = answers.read(Found)
    for node, found in bodies.items():
        page += found.connections
        if len(page) > limit:
            page = page[:limit]
            return Connections(page, page[-1].connection, silent)
        if found.looked_up_to is not None:
            return Connections(page, f"{node}-{found.looked_up_to}", silent)
    return Connections(page, None, silent)


def node_and_number(name: str) -> tuple[str, int]:
    """The node in a connection's name, and its number there.

    Raises:
        BadRequestError: it is no name.
    """
    found = connection_number(name)
    if found is None:
        raise BadRequestError("that is no connection's name; expected <node>-<number>, as `welcome` gives it")
    return found


def answer_connections(edge: Edge, census: Census) -> None:
    """Let other nodes ask this one, and close connections here."""

    async def connections(args: Mapping[str, Any]) -> Found:
        # Pages go through the nodes in the order of their names.
        own, asked = edge.manager.node, str(args["node"])
        if own < asked:
            return Found([])
        wanted = msgspec.convert(args["wanted"], Wanted)
        return await census.connections(wanted, int(args["number"]) if own == asked else 0, int(args["limit"]))

    async def close(args: Mapping[str, Any]) -> bool:
        return edge.fanout.close(ConnectionId(int(args["number"])), int(args["code"]))

    edge.api.talk.answer_with(CONNECTIONS, connections)
    edge.api.talk.answer_with(CLOSE, close)
