"""`gateway publish`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gateway.broker.redis import create_broker
from gateway.cli.event_argument import EventJson, payload_of, producer_settings
from gateway.cli.options import RedisUrl
from gateway.cli.redis_url import find_redis_url
from gateway.cli.routing import routing_of
from gateway.cli.speech import examples, note, result
from gateway.errors import EventRefusedError
from gateway.protocol.audiences import CHANNEL_FORMS, parse_channel
from gateway.protocol.events import parse_event
from gateway.protocol.routing import RoutingTable
from gateway.redis_url import RedisKind, parse_redis_url

EXAMPLES = examples(
    """gateway publish branch:5:kitchen '{"type":"ROUND_READY","tenant_id":1,"branch_id":5}'""",
    "gateway publish session:77 - < event.json",
)


def publish(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel, as branch:5:kitchen.")],
    event: EventJson,
    redis_url: RedisUrl = None,
) -> None:
    """Publish one event on a Redis channel, and print how many subscribers heard it.

    A subscriber is a gateway, not a client. The event is checked first as the gateway would check it: its shape, the
    routing table, and whether it belongs on that channel. What the gateway would drop is not sent.

    Raises:
        SettingsError: the settings are malformed.
        RoutingError: the routing file is no routing table.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    settings = producer_settings(redis_url)
    payload = payload_of(event)
    _check(channel, payload, routing_of(settings))
    url = find_redis_url(settings)
    subscribers = asyncio.run(_publish(url, channel, payload))
    result(str(subscribers))
    # A node of a cluster counts those alone that are connected to it, so 0 says nothing there.
    if not subscribers and parse_redis_url(url).kind is not RedisKind.CLUSTER:
        note(f"nobody is subscribed to {channel}: no gateway on this Redis has a client in that audience")


async def _publish(url: str, channel: str, payload: bytes) -> int:
    broker = create_broker(url)
    try:
        return await broker.publish(channel, payload)
    finally:
        await broker.close()


def _check(name: str, payload: bytes, routing: RoutingTable) -> None:
    channel = parse_channel(name)
    if channel is None:
        raise typer.BadParameter(
            f"{name!r} is not a channel of the gateway; expected one like {CHANNEL_FORMS}", param_hint="CHANNEL"
        )
    try:
        routing.route_channel(parse_event(payload), channel)
    except EventRefusedError as error:
        raise typer.BadParameter(f"the gateway would drop it: {error}", param_hint="JSON") from None
