"""The operator API, and what nodes ask each other for it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import SecretStr

from gateway.broker.redis_dead_letters import RedisDeadLetters
from gateway.broker.redis_nodes import RedisNodeBoard
from gateway.broker.redis_producing import RedisProducing
from gateway.endpoints.api.keys import ApiKeys, Scope
from gateway.endpoints.api.parts import ApiParts
from gateway.fanout.base import Fanout
from gateway.hub.deliveries import Deliveries
from gateway.hub.delivery_ring import DeliveryRing
from gateway.hub.history_page import HistoryReads
from gateway.hub.node_talk import NodeTalk
from gateway.hub.publish_rate import PublishRate
from gateway.ingest.live_interest import LiveInterest
from gateway.protocol.routing import RoutingTable
from gateway.settings import Settings
from gateway.wiring.ground import Ground
from gateway.wiring.redis import RedisParts


def api_parts(
    ground: Ground,
    redis: RedisParts,
    routing: RoutingTable,
    *,
    history: HistoryReads,
    fanout: Fanout,
    rooms: LiveInterest,
    ring: DeliveryRing,
    node: str,
    drain: Callable[[], None],
) -> ApiParts:
    """Make them; `talk` is to be started.

    `ring` watches the fan-out; `drain` begins to drain this node, and returns at once.
    """
    settings, clock = ground.settings, ground.clock
    return ApiParts(
        keys=_keys(settings),
        talk=NodeTalk(node, RedisNodeBoard(redis.commands)),
        producing=RedisProducing(redis.commands, token_max_age=settings.token_max_age),
        rate=PublishRate(settings.api_event_rate, settings.api_event_rate_per_tenant, clock),
        routing=routing,
        history=history,
        deliveries=Deliveries(fanout, node, ring, redis.history, room_ring=rooms.ring),
        dead_letters=RedisDeadLetters(redis.commands, routing),
        drain=drain,
        clock=clock,
        environment=settings.environment,
        started=clock.time(),
    )


def _keys(settings: Settings) -> ApiKeys:
    scoped = {
        Scope.READ: settings.api_read_keys,
        Scope.PUBLISH: settings.api_publish_keys,
        Scope.OPERATE: settings.api_operate_keys,
    }
    operator: SecretStr | None = settings.operator_key
    return ApiKeys(
        {scope: {name: key.get_secret_value() for name, key in keys.items()} for scope, keys in scoped.items()},
        operator.get_secret_value() if operator else None,
    )
