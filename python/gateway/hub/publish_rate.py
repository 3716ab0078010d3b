"""How many events may come by the API: of the node, and of one tenant."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import PublishRateError
from gateway.resilience.keyed_rate import KeyedRate
from gateway.types import Clock

BURST_SECONDS = 1.0
"""After a pause so many seconds' events may come at once, and always a whole batch of the largest size."""

MAX_BATCH = 1000
"""Events of one request."""


class PublishRate:
    """Counts events that come by the API on this node. For one event loop."""

    def __init__(self, node: float, tenant: float, clock: Clock) -> None:
        """Events a second for the node and for each tenant; 0 is unlimited."""
        self._node: KeyedRate[str] = KeyedRate(node, max(MAX_BATCH, node * BURST_SECONDS), clock)
        self._tenant: KeyedRate[int] = KeyedRate(tenant, max(MAX_BATCH, tenant * BURST_SECONDS), clock)

    def admit(self, events: Mapping[int, int]) -> None:
        """Return if so many events of each tenant may come now, all of them together.

        Raises:
            PublishRateError: with the seconds after which they may; nothing is to be sent.
        """
        if not events:
            return
        # Tenants first: one that is over its own rate must not use up the node's.
        for tenant, count in events.items():
            if wait := self._tenant.take(tenant, count):
                raise PublishRateError(
                    f"tenant {tenant} sends more events by the API than it may on this node; try again in {wait:.1f} s",
                    wait,
                )
        if wait := self._node.take("", sum(events.values())):
            raise PublishRateError(f"more events come by the API than this node takes; try again in {wait:.1f} s", wait)
