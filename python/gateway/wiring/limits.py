"""Who gets in, by numbers: of the node, and over all nodes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_limits import RedisLimits
from gateway.endpoints.attempts import BURST_SECONDS
from gateway.fanout.base import Fanout
from gateway.hub.admission import Admission
from gateway.hub.join_queue import JoinQueue
from gateway.hub.node_beats import NodeBeats
from gateway.hub.penalties import Penalties
from gateway.hub.place_keeper import PlaceKeeper
from gateway.hub.places import PlaceLimits, Places
from gateway.resilience.keyed_rate import KeyedRate
from gateway.settings import connection_ceiling
from gateway.wiring.ground import Ground, asking_again


@dataclass(frozen=True, slots=True)
class LimitParts:
    """The limits' parts; `beats` and `keeper` are to be started."""

    admission: Admission
    penalties: Penalties
    places: Places
    beats: NodeBeats
    keeper: PlaceKeeper
    joins: JoinQueue


def limit_parts(ground: Ground, commands: RedisCommands, fanout: Fanout) -> LimitParts:
    """Make them."""
    settings, metrics, clock = ground.settings, ground.metrics.limits, ground.clock
    admission = Admission(
        fanout,
        node=connection_ceiling(settings),
        per_user=settings.max_connections_per_user,
        per_session=settings.max_connections_per_session,
        staff_reserve=settings.staff_reserve,
    )
    store = RedisLimits(commands)
    to_write = asyncio.Event()
    penalties = Penalties(store, metrics, clock, to_write.set)
    tenant_rate = settings.attempt_rate_per_tenant
    beats = NodeBeats(store)
    places = Places(
        store,
        PlaceLimits(
            user=settings.max_connections_per_user,
            session=settings.max_connections_per_session,
            tenant=settings.max_connections_per_tenant,
        ),
        penalties,
        beats,
        metrics,
        tenant_rate=KeyedRate(tenant_rate, max(1.0, tenant_rate * BURST_SECONDS), clock),
        check_node=admission.check,
        on_given_up=to_write.set,
    )
    keeper = PlaceKeeper(fanout, places, penalties, metrics, wake=to_write, jitter=asking_again())
    joins = JoinQueue(settings.join_rate, clock)
    metrics.waiting.set_function(lambda: float(joins.waiting))
    return LimitParts(admission, penalties, places, beats, keeper, joins)
