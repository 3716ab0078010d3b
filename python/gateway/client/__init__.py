"""What a back end imports: publishers, which send nothing that would be refused, revokers of tokens, and a client."""

from __future__ import annotations

from gateway.client.address import Endpoint
from gateway.client.async_publisher import AsyncPublisher
from gateway.client.async_revoker import AsyncRevoker
from gateway.client.checked_event import JsonEvent
from gateway.client.client import Client
from gateway.client.messages import Event, Stale, Throttled
from gateway.client.provider import TokenProvider
from gateway.client.publisher import Publisher
from gateway.client.revoker import Revoker
from gateway.client.revoking import Revoked
from gateway.client.session import State
from gateway.client.storage import PositionStorage
from gateway.client.timing import Timing
from gateway.errors import EventRefusedError, GaveUpError
from gateway.protocol.routing import RoutingTable

__all__ = [
    "AsyncPublisher",
    "AsyncRevoker",
    "Client",
    "Endpoint",
    "Event",
    "EventRefusedError",
    "GaveUpError",
    "JsonEvent",
    "PositionStorage",
    "Publisher",
    "Revoked",
    "Revoker",
    "RoutingTable",
    "Stale",
    "State",
    "Throttled",
    "Timing",
    "TokenProvider",
]
