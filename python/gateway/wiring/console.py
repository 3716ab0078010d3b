"""The console's desk."""

from __future__ import annotations

from gateway.endpoints.console.desk import Desk
from gateway.endpoints.console.node_status import NodeStatus
from gateway.endpoints.console.token_maker import TokenMaker
from gateway.endpoints.edge import Edge
from gateway.wiring.ground import Ground
from gateway.wiring.ways_in import WayInParts


def console_desk(ground: Ground, edge: Edge, ways_in: WayInParts, *, node: str) -> Desk:
    """Make it; `node` is this node's name."""
    settings, clock = ground.settings, ground.clock
    maker = TokenMaker(settings.jwt_keys, settings.table_token_keys, clock, longest=settings.token_max_age)
    return Desk(
        node=node,
        edge=edge,
        status=NodeStatus(
            edge, clock, node=node, environment=settings.environment, relay_lag=lambda: ways_in.relay.lag
        ),
        tap=ways_in.tap,
        token_maker=maker if ground.development else None,
        clock=clock,
    )
