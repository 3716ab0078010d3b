"""What the behaviour table does not say of heartbeats, since only the Python client stops reading."""

from __future__ import annotations

import pytest

from gateway.client.heartbeat import Heartbeat
from gateway.client.timing import Timing
from tests.support.behaviour import FakeTimers


class Rig:
    def __init__(self) -> None:
        self.did: list[str] = []
        self.timers = FakeTimers()
        self.heartbeat = Heartbeat(
            lambda: self.did.append("ping"), lambda: self.did.append("dead"), self.timers, Timing()
        )
        self.heartbeat.start(30)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_while_nothing_is_read_pings_go_on_and_silence_means_nothing(rig: Rig) -> None:
    rig.heartbeat.hold()
    rig.timers.advance(95)
    assert rig.did == ["ping"] * 3


def test_an_answer_that_is_due_when_reading_stops_is_due_again_when_it_goes_on(rig: Rig) -> None:
    rig.timers.advance(35)
    rig.heartbeat.hold()
    rig.timers.advance(20)
    assert rig.did == ["ping"]
    rig.heartbeat.release()
    rig.timers.advance(9)
    assert rig.did == ["ping", "ping"]
    rig.timers.advance(1)
    assert rig.did == ["ping", "ping", "dead"]


def test_nothing_is_due_when_everything_was_answered_before(rig: Rig) -> None:
    rig.timers.advance(30)
    rig.heartbeat.heard()
    rig.heartbeat.hold()
    rig.heartbeat.release()
    rig.timers.advance(29)
    assert rig.did == ["ping"]


def test_a_new_connection_is_not_held(rig: Rig) -> None:
    rig.heartbeat.hold()
    rig.heartbeat.start(30)
    rig.timers.advance(40)
    assert rig.did == ["ping", "dead"]
