"""The console's desk."""

from __future__ import annotations

from gateway.endpoints.api.status import status_of
from gateway.endpoints.console.desk import Desk
from gateway.endpoints.console.token_maker import TokenMaker
from gateway.endpoints.edge import Edge
from gateway.wiring.ground import Ground
from gateway.wiring.ways_in import WayInParts


def console_desk(ground: Ground, edge: Edge, ways_in: WayInParts) -> Desk:
    """Make it."""
    settings, clock = ground.settings, ground.clock
    maker = TokenMaker(settings.jwt_keys, settings.table_token_keys, clock, longest=settings.token_max_age)
    return Desk(
        edge=edge,
        make_status=lambda: status_of(edge),
        tap=ways_in.tap,
        slow_clients=edge.manager.slow_clients,
        token_maker=maker if ground.development else None,
        clock=clock,
    )
