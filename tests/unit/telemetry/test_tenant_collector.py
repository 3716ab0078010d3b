from __future__ import annotations

from gateway.telemetry.tenant_collector import MAX_COUNTED, TenantCollector

Numbers = dict[str, float]


def shown(collector: TenantCollector) -> tuple[Numbers, Numbers, Numbers]:
    """Connections, events and dropped events by tenant, as a scrape shows them."""
    connections, events, dropped = (
        {sample.labels["tenant"]: sample.value for sample in family.samples} for family in collector.collect()
    )
    return connections, events, dropped


def test_the_busiest_have_their_own_series_and_the_others_share_one() -> None:
    tenants = TenantCollector(2)
    for tenant, connections in ((1, 3), (2, 9), (3, 1)):
        tenants.on_connections(tenant, connections)
    tenants.on_events({3: 50, 4: 1}, {3: 5, 4: 1})
    assert shown(tenants) == ({"other": 3, "2": 9, "3": 1}, {"other": 1, "2": 0, "3": 50}, {"other": 1, "2": 0, "3": 5})


def test_before_anybody_came_there_is_a_series_already() -> None:
    assert shown(TenantCollector(5)) == ({"other": 0}, {"other": 0}, {"other": 0})


def test_who_is_gone_is_not_counted_any_more() -> None:
    tenants = TenantCollector(2)
    tenants.on_connections(1, 1)
    tenants.on_connections(1, -1)
    for _ in range(5):
        connections, _, _ = shown(tenants)
    assert connections == {"other": 0}


def test_every_event_is_in_one_series_and_none_goes_back_when_others_become_busy() -> None:
    tenants = TenantCollector(1)
    rises: Numbers = {}
    before: Numbers = {}
    sent = 0
    for turn in range(40):
        busy = 1 + turn // 10
        tenants.on_events({busy: 100, 9: 1}, {})
        sent += 101
        _, events, _ = shown(tenants)
        for tenant, number in events.items():
            # As Prometheus takes it: a series that begins, or begins again, counts from nought.
            rises[tenant] = rises.get(tenant, 0) + number - before.get(tenant, 0)
            assert number >= before.get(tenant, 0)
        before = events
    assert sum(rises.values()) == sent
    assert rises.keys() == {"other", "1", "2", "3", "4"}
    assert before.keys() == {"other", "4"}, "no more than one at a time has its own"


def test_who_names_tenants_without_end_costs_bounded_memory() -> None:
    tenants = TenantCollector(3)
    for tenant in range(1, 3 * MAX_COUNTED):
        tenants.on_events({tenant: 1}, {tenant: 1})
    assert len(tenants._events) <= MAX_COUNTED + 1
    _, events, _ = shown(tenants)
    assert len(events) == 4
    assert sum(events.values()) == 3 * MAX_COUNTED - 1
    assert not tenants._events
    for _ in range(10):
        shown(tenants)
    assert len(tenants._activity) <= 6


def test_it_can_be_switched_off() -> None:
    tenants = TenantCollector(0)
    tenants.on_connections(1, 1)
    tenants.on_events({1: 1}, {1: 1})
    assert list(tenants.collect()) == []
