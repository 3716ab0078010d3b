from __future__ import annotations

import logging

import pytest

from gateway.ingest.drop_rate import DropRateAlert, EventDropRateTracker
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def alerts() -> list[DropRateAlert]:
    return []


@pytest.fixture
def tracker(clock: FakeClock, alerts: list[DropRateAlert]) -> EventDropRateTracker:
    return EventDropRateTracker(clock, on_alert=alerts.append)


def test_five_percent_is_not_yet_too_much_and_more_is(
    tracker: EventDropRateTracker, alerts: list[DropRateAlert]
) -> None:
    tracker.record(1_000, {"queue_full": 50})
    assert not alerts
    tracker.record(1, {"bad_json": 1})
    assert [(alert.received, alert.dropped, alert.reasons) for alert in alerts] == [
        (1_001, 51, {"queue_full": 50, "bad_json": 1})
    ]


def test_the_alert_is_a_sentence_with_the_numbers_in_the_log(
    tracker: EventDropRateTracker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "gateway.ingest"):
        tracker.record(200, {"bad_json": 4, "queue_full": 21})
    assert [record.getMessage() for record in caplog.records] == [
        "12.5% of the events of the last 60 s were dropped (25 of 200; the limit is 5.0%): queue_full 21, bad_json 4"
    ]


def test_what_is_older_than_the_window_is_forgotten(
    tracker: EventDropRateTracker, clock: FakeClock, alerts: list[DropRateAlert]
) -> None:
    tracker.record(100, {"queue_full": 5})
    clock.advance(59)
    tracker.record(100, {})
    assert tracker.share() == 0.025
    clock.advance(1)
    assert tracker.share() == 0
    tracker.record(0, {"queue_full": 5})
    assert not alerts, "5 of the 100 events that are left are 5 %"
    tracker.record(0, {"queue_full": 1})
    assert [(alert.received, alert.dropped) for alert in alerts] == [(100, 6)]


def test_there_is_one_alert_in_three_hundred_seconds(
    tracker: EventDropRateTracker, clock: FakeClock, alerts: list[DropRateAlert]
) -> None:
    for _ in range(300):
        tracker.record(20, {"queue_full": 20})
        clock.advance(1)
    assert len(alerts) == 1
    tracker.record(20, {"queue_full": 20})
    assert len(alerts) == 2


def test_a_single_drop_among_few_events_is_no_alert(tracker: EventDropRateTracker, alerts: list[DropRateAlert]) -> None:
    tracker.record(19, {"bad_json": 19})
    assert not alerts
    tracker.record(1, {"bad_json": 1})
    assert len(alerts) == 1


def test_memory_is_one_entry_a_second(tracker: EventDropRateTracker, clock: FakeClock) -> None:
    for _ in range(10_000):
        clock.advance(0.05)
        tracker.record(1, {})
    assert len(tracker._slices) <= 61
    assert tracker._received == sum(piece.received for piece in tracker._slices)


def test_no_events_are_no_share(tracker: EventDropRateTracker) -> None:
    assert tracker.share() == 0


@pytest.mark.parametrize("share", [0, 1, 5])
def test_a_share_that_is_no_share_is_refused(clock: FakeClock, share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        EventDropRateTracker(clock, share=share)
