"""What is behind the demo page, in development."""

from __future__ import annotations

from gateway.client import AsyncPublisher
from gateway.endpoints.demo.back_end import BackEnd
from gateway.endpoints.demo.router import Demo
from gateway.endpoints.demo.tokens import TokenOffice
from gateway.protocol.routing import RoutingTable
from gateway.redis_url import redact_url
from gateway.wiring.ground import Ground


def demo_parts(ground: Ground, redis_url: str, routing: RoutingTable) -> Demo | None:
    """Make them; nothing is connected before the page is used. None but in development."""
    if not ground.development:
        return None
    settings, clock = ground.settings, ground.clock
    publisher = AsyncPublisher.from_url(redis_url, routing=routing)
    ground.stack.push_async_callback(publisher.close)
    return Demo(
        BackEnd(publisher, redact_url(redis_url), clock),
        TokenOffice(settings.jwt_keys, settings.table_token_keys, settings.token_max_age, clock),
    )
