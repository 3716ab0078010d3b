"""What the log says when the gateway is up."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Final

from gateway.errors import BrokerError
from gateway.fanout.base import Fanout
from gateway.protocol.routing import RoutingTable
from gateway.redis_url import redact_url
from gateway.settings import connection_ceiling
from gateway.telemetry.logging import get_logger
from gateway.wiring.ground import Ground
from gateway.wiring.redis import RedisParts
from gateway.wiring.ways_in import WayInParts

START_SECONDS: Final = 5.0
"""How long a start waits for Redis. Longer would keep the liveness probe waiting; the subscriber goes on trying."""

OLDEST_REDIS: Final = 7
"""Redis' first version with sharded Pub/Sub, by which critical events travel. Valkey's versions begin above it."""

_log = get_logger("gateway")


async def greet(ground: Ground, redis: RedisParts, ways_in: WayInParts, fanout: Fanout, routing: RoutingTable) -> None:
    """Wait a moment for Redis, look at what it is, and log what is switched on."""
    settings = ground.settings
    where = redact_url(redis.url) if settings.redis_url else "embedded"
    try:
        async with asyncio.timeout(START_SECONDS):
            await ways_in.wait_live()
            info = await redis.broker.info()
    except (BrokerError, TimeoutError):
        info = {}
        _log.warning("Redis is not there yet; not ready until it is", redis=where)
    server_version = info.get("valkey_version") or info.get("redis_version", "unknown")
    major = info.get("redis_version", "").partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_REDIS:
        _log.warning("Redis is too old: version 7 or newer, or Valkey, is needed", version=server_version)
    if (policy := info.get("maxmemory_policy", "noeviction")) != "noeviction":
        _log.warning("Redis may evict keys, revocations among them: set maxmemory-policy to noeviction", policy=policy)
    ground.metrics.set_build(version("fanout-gateway"), fanout.name)
    _log.info(
        "gateway started",
        version=version("fanout-gateway"),
        environment=settings.environment,
        fanout=fanout.name,
        sockets="native" if fanout.takes_sockets else "asgi",
        reactors=settings.reactors,
        pubsub=settings.pubsub,
        redis=where,
        redis_version=server_version,
        max_connections=connection_ceiling(settings),
        event_types=len(routing.rules),
        allowed_origins=list(settings.allowed_origins) or "any",
        operator_endpoints="key" if settings.operator_key else "loopback" if ground.development else "closed",
    )
