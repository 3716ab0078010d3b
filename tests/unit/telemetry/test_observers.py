from __future__ import annotations

import logging

import pytest

from gateway.fanout.base import BroadcastObserver, BroadcastReport, Submission
from gateway.fanout.measures import Reach
from gateway.telemetry.broadcast_log import BroadcastLog
from gateway.telemetry.observers import BroadcastObservers
from gateway.types import Room
from tests.support.fanout_rig import RecordingObserver

CRITICAL = Submission(Room(1, 5), ("branch:5:kitchen",), b'{"secret":1}', "7-1/0123abcd", source="live")
REPORT = BroadcastReport(CRITICAL, Reach(4, 1, 1), 0.25, 1_700_000_000.0)


class Failing(RecordingObserver):
    def on_passed(self, report: BroadcastReport) -> None:
        raise RuntimeError("no more room in the ring")


def test_each_is_told_of_what_it_watches_and_of_all_the_rest() -> None:
    watching, other = RecordingObserver(watching=True), RecordingObserver()
    counting = RecordingObserver()
    both: BroadcastObserver = BroadcastObservers(other, watching, counting=[counting])
    assert both.watches(CRITICAL)
    both.on_passed(REPORT)
    both.on_dropped(3)
    both.on_overflow()
    both.on_client_message("ping")
    assert watching.passed == [REPORT]
    assert not other.passed
    for observer in (watching, other, counting):
        assert (observer.dropped, observer.overflows, observer.kinds) == (3, 1, ["ping"])


def test_an_event_that_none_watches_is_not_watched() -> None:
    assert not BroadcastObservers().watches(CRITICAL)
    assert not BroadcastObservers(RecordingObserver(), RecordingObserver()).watches(CRITICAL)
    assert not BroadcastObservers(counting=[RecordingObserver(watching=True)]).watches(CRITICAL)


def test_one_that_fails_does_not_keep_the_others_from_seeing(caplog: pytest.LogCaptureFixture) -> None:
    watching = RecordingObserver(watching=True)
    BroadcastObservers(Failing(watching=True), watching).on_passed(REPORT)
    assert watching.passed == [REPORT]
    assert "no more room in the ring" in caplog.text


def test_the_log_tells_of_broadcasts_at_debug_alone_and_never_of_their_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = BroadcastLog()
    caplog.set_level(logging.INFO, "gateway.telemetry.broadcast_log")
    assert not log.is_wanted()
    caplog.set_level(logging.DEBUG, "gateway.telemetry.broadcast_log")
    assert log.is_wanted()
    assert log.watches(CRITICAL)
    log.on_passed(REPORT)
    [record] = caplog.records
    assert vars(record).items() >= {
        "event_id": "7-1", "tenant": 1, "branch": 5, "matched": 4, "queued": 1, "lost": 1, "seconds": 0.25,
    }.items()  # fmt: skip
    assert "secret" not in repr(vars(record))
