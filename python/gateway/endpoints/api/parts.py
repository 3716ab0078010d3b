"""What the routes of the operator API need beside the edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.broker.dead_letters_base import DeadLetters
from gateway.broker.producing_base import Producing
from gateway.endpoints.api.keys import ApiKeys
from gateway.hub.deliveries import Deliveries
from gateway.hub.history_page import HistoryReads
from gateway.hub.node_talk import NodeTalk
from gateway.hub.publish_rate import PublishRate
from gateway.protocol.routing import RoutingTable
from gateway.types import Clock


@dataclass(frozen=True, slots=True)
class ApiParts:
    """Filled by the composition root.

    Attributes:
        keys: who may use the API.
        talk: asks nodes, this one included.
        producing: sends events and revocations.
        rate: how many events may come by the API.
        routing: whom an event reaches.
        history: the rooms' histories.
        dead_letters: events that could not be delivered.
        deliveries: what became of critical events on this node.
        drain: begins to drain this node, and returns at once.
        clock: `time` is used.
        environment: `development` or `production`.
        started: Unix seconds.
    """

    keys: ApiKeys
    talk: NodeTalk
    producing: Producing
    rate: PublishRate
    routing: RoutingTable
    history: HistoryReads
    dead_letters: DeadLetters
    deliveries: Deliveries
    drain: Callable[[], None]
    clock: Clock
    environment: str
    started: float
