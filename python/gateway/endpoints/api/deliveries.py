"""The delivery report: what became of a critical event, and whether one connection got it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path
from starlette.responses import Response

from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer
from gateway.endpoints.api.connections import ConnectionName, node_and_number
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parameters import Branch, Tenant
from gateway.endpoints.api.route import BUSY, MISSING, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError, NodeUnknownError, NotThereError
from gateway.hub.deliveries import Deliveries
from gateway.hub.delivery_views import NodeDelivery, Receipt
from gateway.hub.node_question import Answers
from gateway.protocol.events import event_type
from gateway.protocol.positions import parse_id
from gateway.types import ConnectionId, Room

REPORT: Final = "report"
RECEIPT: Final = "receipt"

_EventId = Annotated[
    str, Path(description="The event's id, as `emit` answered it and clients see it in `event_id`.", max_length=41)
]


class DeliveryReport(msgspec.Struct, frozen=True):
    """What became of an event.

    Attributes:
        event_id: its id.
        tenant: its tenant.
        branch: its branch.
        type: its type; null where it is forgotten.
        nodes: the nodes that had somebody in its branch, and remember it.
        silent: nodes that live and did not answer.
    """

    event_id: str
    tenant: int
    branch: int
    type: str | None
    nodes: list[NodeDelivery]
    silent: tuple[str, ...]


class Told(msgspec.Struct, frozen=True):
    """What one node says of an event; null where it does not remember it."""

    report: NodeDelivery | None


def deliveries_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/events`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.READ))

    @router.get(
        "/events/{event_id}",
        summary="What became of a critical event, on every node",
        **describe(DeliveryReport, MISSING, BUSY, UNAVAILABLE),
    )
    async def report(event_id: _EventId, tenant: Tenant = None, branch: Branch = None) -> Response:
        _check_id(event_id)
        api = edge().api
        answers = await api.talk.ask_all(REPORT, {"event_id": event_id})
        nodes, silent = _reports(answers)
        room = Room(nodes[0].tenant, nodes[0].branch) if nodes else _room(tenant, branch)
        if room is None:
            raise NotThereError(
                "no node remembers that event: nobody was in its branch, it is older than the last 10,000, or it was"
                " not relayed yet; give `tenant` and `branch` to have its history looked at too, and see `GET /dlq`"
            )
        kind = next((node.type for node in nodes if node.type is not None), None)
        if kind is None:
            event = await api.deliveries.event(room, event_id)
            if event is None and not nodes:
                raise NotThereError(
                    "no node remembers that event, and it is not in that branch's history; see `GET /dlq`"
                )
            kind = None if event is None else event_type(event.payload)
        return answer(DeliveryReport(event_id, *room, kind, nodes, silent))

    @router.get(
        "/events/{event_id}/connections/{name}",
        summary="Whether a connection got a critical event, and if not, why",
        **describe(Receipt, BUSY, UNAVAILABLE),
    )
    async def receipt(event_id: _EventId, name: ConnectionName) -> Response:
        _check_id(event_id)
        node, number = node_and_number(name)
        talk = edge().api.talk
        nodes, _ = _reports(await talk.ask_all(REPORT, {"event_id": event_id}))
        room = (nodes[0].tenant, nodes[0].branch) if nodes else None
        try:
            body = await talk.ask_one(node, RECEIPT, {"event_id": event_id, "number": number, "room": room})
        except NodeUnknownError:
            why = "the connection's node does not live any more; its client comes back to another, and resumes there"
            return answer(Receipt(None, why))
        return answer(msgspec.json.decode(body, type=Receipt))

    return router


def answer_deliveries(edge: Edge) -> None:
    """Let other nodes ask this one."""
    deliveries: Deliveries = edge.api.deliveries

    async def report(args: Mapping[str, Any]) -> Told:
        return Told(deliveries.report(str(args["event_id"])))

    async def receipt(args: Mapping[str, Any]) -> Receipt:
        room = None if args["room"] is None else Room(*args["room"])
        return await deliveries.receipt(str(args["event_id"]), ConnectionId(int(args["number"])), room)

    edge.api.talk.answer_with(REPORT, report)
    edge.api.talk.answer_with(RECEIPT, receipt)


def _reports(answers: Answers) -> tuple[list[NodeDelivery], tuple[str, ...]]:
    found, silent = answers.read(Told)
    return [told.report for told in found.values() if told.report is not None], silent


def _room(tenant: int | None, branch: int | None) -> Room | None:
    return None if tenant is None or branch is None else Room(tenant, branch)


def _check_id(event_id: str) -> None:
    try:
        parse_id(event_id)
    except ValueError:
        raise BadRequestError("that is no event's id; expected one as `emit` answered it, like 1-0") from None
