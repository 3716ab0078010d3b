"""Events that come by the API: best-effort ones, and critical ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import APIRouter, Header, Request
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.broker.producing_base import Emission, Publication
from gateway.client.checked_event import for_channel
from gateway.client.emission import MAX_KEY_BYTES, idempotency_key
from gateway.endpoints.api.access import needs
from gateway.endpoints.api.body import answer, body_of
from gateway.endpoints.api.describe import describe
from gateway.endpoints.api.keys import Scope
from gateway.endpoints.api.route import BUSY, UNAVAILABLE, ApiRoute
from gateway.endpoints.edge import Edge
from gateway.errors import BadRequestError, EventRefusedError
from gateway.hub.publish_rate import MAX_BATCH
from gateway.protocol.events import parse_event
from gateway.protocol.keys import live_channel
from gateway.protocol.live import BestEffortEvent, encode_live
from gateway.protocol.routing import RoutingTable

_Channel = Annotated[str, Meta(max_length=64)]
_Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_BYTES)]
_JSON: Final = "An event as a producer writes it; it is passed on byte for byte."
_Event = Annotated[msgspec.Raw, Meta(description=_JSON, extra_json_schema={"type": "object"})]


Item = TypeVar("Item")
Sent = TypeVar("Sent")


class PublishItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One best-effort event.

    Attributes:
        event: the event.
        channel: goes to this channel's audience alone; without one, once to each audience of the routing table.
    """

    event: _Event
    channel: _Channel | None = None


class PublishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, or several in `events`."""

    event: _Event | UnsetType = UNSET
    channel: _Channel | None = None
    events: Annotated[list[PublishItem], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET

    @property
    def items(self) -> Sequence[PublishItem]:
        """The events.

        Raises:
            BadRequestError: neither form, or both.
        """
        if self.event is not UNSET and self.events is UNSET:
            return (PublishItem(self.event, self.channel),)
        if self.event is UNSET and self.events is not UNSET and self.channel is None:
            return self.events
        raise BadRequestError(
            'the body has neither form; expected {"event":…} with or without `channel`, or {"events":[…]}'
        )


class EmitItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One critical event, and its idempotency key."""

    event: _Event
    key: _Key | None = None


class EmitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, or several in `events`."""

    event: _Event | UnsetType = UNSET
    key: _Key | None = None
    events: Annotated[list[EmitItem], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET

    def items(self, header_key: str | None) -> Sequence[EmitItem]:
        """The events; the header's key is the single one's.

        Raises:
            BadRequestError: neither form, or both, or a key that is not one event's, or two for one event.
        """
        keys = [key for key in (self.key, header_key) if key is not None]
        if self.event is not UNSET and self.events is UNSET and len(set(keys)) <= 1:
            return (EmitItem(self.event, keys[0] if keys else None),)
        if self.event is UNSET and self.events is not UNSET and not keys:
            return self.events
        raise BadRequestError(
            'the body has neither form; expected {"event":…} with one key at most, in `key` or in the header'
            ' Idempotency-Key, or {"events":[{"event":…,"key":…},…]}'
        )


class PublishResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an event.

    Attributes:
        nodes: how many subscriptions heard it: nodes, not clients.
        refused: the drop reason, of one that was not sent.
        error: the same in a sentence.
    """

    nodes: int | UnsetType = UNSET
    refused: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class EmitResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an event.

    Attributes:
        event_id: the id that clients see; for a repeated key that of the first time.
        refused: the drop reason, of one that was not sent.
        error: the same in a sentence.
    """

    event_id: str | UnsetType = UNSET
    refused: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class PublishResults(msgspec.Struct, frozen=True):
    """One result for each event, in order."""

    results: list[PublishResult]


class EmitResults(msgspec.Struct, frozen=True):
    """One result for each event, in order."""

    results: list[EmitResult]


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
        checked = [_checked(_publication, item, api.routing) for item in items]
        sent = [found for found in checked if not isinstance(found, EventRefusedError)]
        api.rate.admit(Counter(tenant for tenant, _ in sent))
        heard = iter(await api.producing.publish([publication for _, publication in sent]))
        return answer(
            PublishResults(
                [
                    PublishResult(refused=found.reason, error=str(found))
                    if isinstance(found, EventRefusedError)
                    else PublishResult(next(heard))
                    for found in checked
                ]
            )
        )

    @router.post(
        "/emit",
        summary="Send critical events",
        **describe(EmitResults, BUSY, UNAVAILABLE, body=EmitBody, what="Each event was sent, or refused."),
    )
    async def emit(
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(description="Of a single event.", max_length=MAX_KEY_BYTES)
        ] = None,
    ) -> Response:
        items = (await body_of(request, EmitBody)).items(idempotency_key)
        api = edge().api
        checked = [_checked(_emission, item, api.routing) for item in items]
        sent = [found for found in checked if not isinstance(found, EventRefusedError)]
        api.rate.admit(Counter(tenant for tenant, _ in sent))
        ids = iter(await api.producing.emit([emission for _, emission in sent]))
        return answer(
            EmitResults(
                [
                    EmitResult(refused=found.reason, error=str(found))
                    if isinstance(found, EventRefusedError)
                    else EmitResult(next(ids))
                    for found in checked
                ]
            )
        )

    return router


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
