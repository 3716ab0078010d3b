"""What a back end imports: publishers, which send nothing that the gateway would refuse, and revokers of tokens."""

from __future__ import annotations

from gateway.client.async_publisher import AsyncPublisher
from gateway.client.async_revoker import AsyncRevoker
from gateway.client.checked_event import JsonEvent
from gateway.client.publisher import Publisher
from gateway.client.revoker import Revoker
from gateway.client.revoking import Revoked
from gateway.errors import EventRefusedError
from gateway.protocol.routing import RoutingTable

__all__ = [
    "AsyncPublisher",
    "AsyncRevoker",
    "EventRefusedError",
    "JsonEvent",
    "Publisher",
    "Revoked",
    "Revoker",
    "RoutingTable",
]
