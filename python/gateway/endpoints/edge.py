"""What every route needs of the gateway behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.auth.origin import OriginPolicy
from gateway.broker.base import Broker
from gateway.endpoints.api.parts import ApiParts
from gateway.endpoints.attempts import Attempts
from gateway.endpoints.handoff import Handoffs
from gateway.fanout.base import Fanout
from gateway.hub.admission import Admission
from gateway.hub.base import HubObserver
from gateway.hub.catchup import Catchup
from gateway.hub.join_queue import JoinQueue
from gateway.hub.manager import ConnectionManager
from gateway.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class WaysIn:
    """What readiness asks of the ways by which events come.

    Attributes:
        pubsub: whether the Pub/Sub connection is up, so that best-effort events arrive.
        live: whether the live channels' connection is up, so that critical events arrive.
        announcements: whether their connection is up, so that revocations are heard at once.
        relay: whether this node is the active relay; another one may be.
        lost_at_source: entries that vanished from the source before this node relayed them.
    """

    pubsub: Callable[[], bool]
    live: Callable[[], bool]
    announcements: Callable[[], bool]
    relay: Callable[[], bool]
    lost_at_source: Callable[[], int]


@dataclass(slots=True)
class Edge:
    """Filled by the composition root; routes hold it, and it is complete before the first request.

    Attributes:
        draining: no new connection is admitted, and readiness says 503.
        operator_key: opens the operator's endpoints; None leaves them to loopback in development.
        development: whether they are open on loopback without a key.
        ways_in: the state of the ways by which events come.
        api: what the operator API needs.
    """

    fanout: Fanout
    manager: ConnectionManager
    catchup: Catchup
    admission: Admission
    attempts: Attempts
    joins: JoinQueue
    origins: OriginPolicy
    handoffs: Handoffs
    observer: HubObserver
    metrics: Metrics
    broker: Broker
    operator_key: str | None
    development: bool
    ways_in: WaysIn
    api: ApiParts
    draining: bool = False
