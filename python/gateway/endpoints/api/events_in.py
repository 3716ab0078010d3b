"""Events that come by the API: best-effort ones, and critical ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from gateway.broker.producing_base import Emission, Publication
from gateway.client.checked_event import for_channel
from gateway.client.emission import MAX_KEY_BYTES, idempotency_key
from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer, body_of
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.event_views import (
    EmitBody,
    EmitItem,
    EmitResult,
    EmitResults,
    PublishBody,
    PublishItem,
    PublishResult,
    PublishResults,
)
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.parts import ApiParts
from gateway.endpoints.api.route import BUSY, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError, EventRefusedError
from gateway.protocol.events import parse_event
from gateway.protocol.keys import live_channel
from gateway.protocol.live import BestEffortEvent, encode_live
from gateway.protocol.routing import RoutingTable

_KeyHeader = Annotated[str | None, Header(description="Of a single event.", max_length=MAX_KEY_BYTES)]

Item = TypeVar("Item")
Sent = TypeVar("Sent")
Answered = TypeVar("Answered")
Result = TypeVar("Result")


def events_in_router(edge: Callable[[], Edge]) -> APIRouter:
    """`/publish` and `/emit`."""
    router = APIRouter(route_class=ApiRoute, dependencies=needs(edge, Scope.PUBLISH))

    @router.post(
        "/publish",
        summary="Send best-effort events",
        **describe(PublishResults, BUSY, UNAVAILABLE, body=PublishBody, what="Each event was sent, or refused."),
    )
    async def publish(request: Request) -> Response:
        items = (await body_of(request, PublishBody)).items
        api = edge().api
        results = await _send(
            api,
            items,
            _publication,
            api.producing.publish,
            accepted=PublishResult,
            refused=lambda reason, why: PublishResult(refused=reason, error=why),
        )
        return answer(PublishResults(results))

    @router.post(
        "/emit",
        summary="Send critical events",
        **describe(EmitResults, BUSY, UNAVAILABLE, body=EmitBody, what="Each event was sent, or refused."),
    )
    async def emit(
        request: Request,
        idempotency_key: _KeyHeader = None,
    ) -> Response:
        items = (await body_of(request, EmitBody)).items(idempotency_key)
        api = edge().api
        results = await _send(
            api,
            items,
            _emission,
            api.producing.emit,
            accepted=EmitResult,
            refused=lambda reason, why: EmitResult(refused=reason, error=why),
        )
        return answer(EmitResults(results))

    return router


async def _send(
    api: ApiParts,
    items: Iterable[Item],
    make: Callable[[Item, RoutingTable], tuple[int, Sent]],
    send: Callable[[Sequence[Sent]], Awaitable[Sequence[Answered]]],
    *,
    accepted: Callable[[Answered], Result],
    refused: Callable[[str, str], Result],
) -> list[Result]:
    """Check all, and send those that may be; a result for each, in order. `refused` takes the reason and a sentence."""
    checked = [_checked(make, item, api.routing) for item in items]
    sent = [found for found in checked if not isinstance(found, EventRefusedError)]
    api.rate.admit(Counter(tenant for tenant, _ in sent))
    answers = iter(await send([what for _, what in sent]))
    return [
        refused(found.reason, str(found)) if isinstance(found, EventRefusedError) else accepted(next(answers))
        for found in checked
    ]


def _checked(
    make: Callable[[Item, RoutingTable], tuple[int, Sent]], item: Item, routing: RoutingTable
) -> tuple[int, Sent] | EventRefusedError:
    """Tenant and what is to be sent; or why it is not."""
    try:
        return make(item, routing)
    except EventRefusedError as error:
        return error


def _publication(item: PublishItem, routing: RoutingTable) -> tuple[int, Publication]:
    payload = bytes(item.event)
    if item.channel is not None:
        for_channel(routing, item.channel, payload)
        return parse_event(payload).tenant_id, Publication(item.channel, payload)
    event = parse_event(payload)
    message = encode_live(BestEffortEvent(routing.route(event), payload))
    return event.tenant_id, Publication(live_channel(event.room), message, sharded=True)


def _emission(item: EmitItem, routing: RoutingTable) -> tuple[int, Emission]:
    event = parse_event(bytes(item.event))
    routing.route(event)
    if item.key is not None:
        try:
            idempotency_key(item.key)
        except ValueError as error:
            raise BadRequestError(str(error)) from None
    return event.tenant_id, Emission(event.payload, item.key)
