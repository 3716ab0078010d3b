"""What a back end imports: `Publisher` and `AsyncPublisher`, which send nothing that the gateway would refuse."""

from __future__ import annotations

from gateway.client.async_publisher import AsyncPublisher
from gateway.client.checked_event import JsonEvent
from gateway.client.publisher import Publisher
from gateway.errors import EventRefusedError
from gateway.protocol.routing import RoutingTable

__all__ = ["AsyncPublisher", "EventRefusedError", "JsonEvent", "Publisher", "RoutingTable"]
