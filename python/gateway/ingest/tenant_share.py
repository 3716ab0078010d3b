"""Tenants share a node: each has a rate of best-effort events, and a batch serves the quiet ones first."""

from __future__ import annotations

from collections import Counter

from gateway.fanout.base import Submission
from gateway.resilience.keyed_rate import KeyedRate
from gateway.types import Clock


class TenantShare:
    """Says which best-effort events a tenant may bring, and in which order a batch is submitted. For one event loop.

    The rate is looked at as soon as an event's tenant is known, before it takes a permit: what a tenant brings beyond
    it costs the node the reading, and its neighbours nothing.
    """

    def __init__(self, rate: float, clock: Clock) -> None:
        """`rate` in events a second for each tenant, with a second's worth at once; 0 is unlimited."""
        self._rate: KeyedRate[int] = KeyedRate(rate, max(1.0, rate), clock)

    def admits(self, tenant: int) -> bool:
        """Whether the tenant may bring one event now; if so, it has."""
        return not self._rate.take(tenant)


def quiet_first(batch: list[Submission]) -> list[Submission]:
    """Put the events of tenants with few in the batch in front of those with many.

    The order of a room is kept, since all of a tenant's events stay in theirs. So an event waits for no more of
    another tenant's events in its batch than it has of its own.
    """
    counts = Counter(item.room.tenant for item in batch)
    if len(counts) == 1:
        return batch
    return sorted(batch, key=lambda item: counts[item.room.tenant])
