"""`gateway emit`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.broker.failures import LIBRARY_ERRORS, broker_error
from gateway.cli.event_argument import EventJson, payload_of, producer_settings
from gateway.cli.options import RedisUrl
from gateway.cli.redis_url import find_redis_url
from gateway.cli.routing import routing_of
from gateway.cli.speech import examples, result
from gateway.client import Publisher
from gateway.errors import EventRefusedError, SettingsError
from gateway.redis_url import redact_url

EXAMPLES = examples(
    """gateway emit '{"type":"CHECK_PAID","tenant_id":1,"branch_id":5,"session_id":77}'""",
    "gateway emit --key outbox-4711 - < event.json",
)

_TIMEOUT = 5.0


def emit(
    event: EventJson,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="KEY",
            show_default=False,
            help="Idempotency key: a second emit with it within 24 h adds nothing and prints the first one's id.",
        ),
    ] = None,
    redis_url: RedisUrl = None,
) -> None:
    """Put one critical event into the stream, and print its stream id, which clients see as event_id.

    Every entitled client gets it, or is told that it may have missed one. The event is checked first as the gateway
    would check it: its shape and the routing table. What the gateway would refuse is not sent.

    Raises:
        SettingsError: the settings are malformed.
        RoutingError: the routing file is no routing table.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    settings = producer_settings(redis_url)
    payload = payload_of(event)
    url = find_redis_url(settings)
    where = redact_url(url)
    routing = routing_of(settings)
    try:
        publisher = Publisher.from_url(url, routing=routing, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT)
    except ValueError as error:
        raise SettingsError(f"the Redis URL {where} cannot be used: {error}") from None
    except LIBRARY_ERRORS as error:
        raise broker_error(where, error) from error
    try:
        with publisher:
            entry = publisher.emit(payload, key)
    except EventRefusedError as error:
        raise typer.BadParameter(f"the gateway would refuse it: {error}", param_hint="JSON") from None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from None
    except LIBRARY_ERRORS as error:
        raise broker_error(where, error) from error
    result(entry)
