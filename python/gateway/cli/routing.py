"""The routing table that the settings name."""

from __future__ import annotations

from pathlib import Path

from gateway.protocol.routing import RoutingTable
from gateway.settings import Settings


def routing_of(settings: Settings) -> RoutingTable:
    """The default table, or what the routing file makes of it.

    Raises:
        RoutingError: the file is no routing table.
    """
    return RoutingTable.load(Path(settings.routing_file)) if settings.routing_file else RoutingTable()
