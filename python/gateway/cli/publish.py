"""`gateway publish`."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Annotated

import typer

from gateway.broker.redis import create_broker
from gateway.cli.options import RedisUrl
from gateway.cli.redis_url import find_redis_url
from gateway.cli.routing import routing_of
from gateway.cli.speech import examples, note, result
from gateway.errors import EventRefusedError
from gateway.protocol.audiences import AudienceKind, parse_channel
from gateway.protocol.events import MAX_EVENT_BYTES, parse_event
from gateway.protocol.routing import RoutingTable
from gateway.settings import Settings

EXAMPLES = examples(
    """gateway publish branch:5:kitchen '{"type":"ROUND_READY","tenant_id":1,"branch_id":5}'""",
    "gateway publish session:77 - < event.json",
)

# A back end's machine has none of the gateway's secrets, and publishing needs none.
_VARIABLES = ("GATEWAY_REDIS_URL", "GATEWAY_REDIS_URL_FILE", "GATEWAY_ROUTING_FILE")


def publish(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="A channel, as branch:5:kitchen.")],
    event: Annotated[str, typer.Argument(metavar="JSON", help="The event; - reads it from standard input.")],
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
    environ = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    settings = Settings.load(environ, redis_url=redis_url)
    payload = _payload(event)
    _check(channel, payload, routing_of(settings))
    subscribers = asyncio.run(_publish(find_redis_url(settings), channel, payload))
    result(str(subscribers))
    if not subscribers:
        note(f"nobody is subscribed to {channel}: no gateway on this Redis has a client in that audience")


async def _publish(url: str, channel: str, payload: bytes) -> int:
    broker = create_broker(url)
    try:
        return await broker.publish(channel, payload)
    finally:
        await broker.close()


def _payload(event: str) -> bytes:
    if event != "-":
        # What the shell gave may not be UTF-8; its bytes are passed on as they are, and refused with the rest.
        return os.fsencode(event)
    if sys.stdin.isatty():
        note("reading the event from standard input; end it with Ctrl-D")
    # One byte more than allowed tells a long event from one that just fits, and an endless one does not fill memory.
    return sys.stdin.buffer.read(MAX_EVENT_BYTES + 1)


def _check(name: str, payload: bytes, routing: RoutingTable) -> None:
    channel = parse_channel(name)
    if channel is None:
        forms = ", ".join(kind.of(5) for kind in AudienceKind)
        raise typer.BadParameter(
            f"{name!r} is not a channel of the gateway; expected one like {forms}", param_hint="CHANNEL"
        )
    try:
        routing.route_channel(parse_event(payload), channel)
    except EventRefusedError as error:
        raise typer.BadParameter(f"the gateway would drop it: {error}", param_hint="JSON") from None
