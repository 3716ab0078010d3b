"""How many events may come by the API."""

from __future__ import annotations

import pytest

from gateway.errors import PublishRateError
from gateway.hub.publish_rate import MAX_BATCH, PublishRate
from tests.support.clock import FakeClock


def test_a_whole_batch_may_always_come_after_a_pause() -> None:
    clock = FakeClock()
    rate = PublishRate(10, 0, clock)
    rate.admit({1: MAX_BATCH})
    with pytest.raises(PublishRateError) as caught:
        rate.admit({1: 10})
    assert caught.value.wait == pytest.approx(1.0)
    clock.advance(1.0)
    rate.admit({1: 10})


def test_a_refused_batch_costs_its_tenants_no_share_of_the_node() -> None:
    rate = PublishRate(1_000, 1, FakeClock())
    rate.admit({1: 1_000})
    with pytest.raises(PublishRateError, match="tenant 2"):
        rate.admit({2: 1_001})
    with pytest.raises(PublishRateError, match="this node"):
        rate.admit({3: 1})


def test_without_limits_everything_may_come() -> None:
    rate = PublishRate(0, 0, FakeClock())
    for _ in range(100):
        rate.admit({1: MAX_BATCH})
    rate.admit({})
