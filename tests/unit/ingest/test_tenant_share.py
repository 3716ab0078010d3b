from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.fanout.base import Submission
from gateway.ingest.tenant_share import TenantShare, quiet_first
from gateway.types import Room
from tests.support.clock import FakeClock


def item(tenant: int, branch: int = 1, number: int = 0) -> Submission:
    return Submission(Room(tenant, branch), ("branch:1:admin",), str(number).encode())


def test_a_tenant_has_its_rate_and_a_seconds_worth_at_once() -> None:
    clock = FakeClock()
    share = TenantShare(10, clock)
    assert [share.admits(1) for _ in range(12)] == [True] * 10 + [False] * 2
    assert share.admits(2), "its neighbour has its own"
    clock.advance(0.2)
    assert [share.admits(1) for _ in range(3)] == [True, True, False]


def test_nought_is_unlimited() -> None:
    share = TenantShare(0, FakeClock())
    assert all(share.admits(1) for _ in range(10_000))


def test_who_has_little_in_a_batch_is_not_behind_who_has_much() -> None:
    batch = [*(item(1, number=n) for n in range(5)), item(2), item(1, number=5), item(3), item(2)]
    assert [submission.room.tenant for submission in quiet_first(batch)] == [3, 2, 2, 1, 1, 1, 1, 1, 1]


def test_a_batch_of_one_tenant_is_left_as_it_is() -> None:
    batch = [item(1, branch) for branch in (3, 1, 2)]
    assert quiet_first(batch) is batch


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=60))
def test_every_tenants_events_keep_their_order_and_none_is_lost(rooms: list[tuple[int, int]]) -> None:
    batch = [item(tenant, branch, number) for number, (tenant, branch) in enumerate(rooms)]
    ordered = quiet_first(batch)
    assert sorted(submission.payload for submission in ordered) == sorted(submission.payload for submission in batch)
    for tenant in range(1, 5):
        assert [s for s in ordered if s.room.tenant == tenant] == [s for s in batch if s.room.tenant == tenant]
