"""What every route needs of the gateway behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.auth.origin import OriginPolicy
from gateway.broker.base import Broker
from gateway.endpoints.handoff import Handoffs
from gateway.fanout.base import Fanout
from gateway.hub.admission import Admission
from gateway.hub.base import HubObserver
from gateway.hub.manager import ConnectionManager
from gateway.telemetry.metrics import Metrics


@dataclass(slots=True)
class Edge:
    """Filled by the composition root; routes hold it, and it is complete before the first request.

    Attributes:
        draining: no new connection is admitted, and readiness says 503.
        operator_key: opens the operator's endpoints; None leaves them to loopback in development.
        development: whether they are open on loopback without a key.
        subscribed: whether the Pub/Sub connection is up, so that events arrive.
    """

    fanout: Fanout
    manager: ConnectionManager
    admission: Admission
    origins: OriginPolicy
    handoffs: Handoffs
    observer: HubObserver
    metrics: Metrics
    broker: Broker
    operator_key: str | None
    development: bool
    subscribed: Callable[[], bool]
    draining: bool = False
