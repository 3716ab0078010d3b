"""The last critical events, and what became of them."""

from __future__ import annotations

from gateway.fanout.base import BroadcastReport, Submission
from gateway.fanout.measures import Reach
from gateway.hub.delivery_ring import DeliveryRing
from gateway.types import Room

ROOM = Room(7, 5)


def report(number: int, matched: int = 1) -> BroadcastReport:
    event = Submission(ROOM, ("branch:5:kitchen",), b"{}", f"{number}-0/0123abcd")
    return BroadcastReport(event, Reach(matched), 0.25, 17.0)


def test_critical_events_alone_are_watched() -> None:
    ring = DeliveryRing()
    assert ring.watches(report(1).event)
    assert not ring.watches(Submission(ROOM, ("branch:5:kitchen",), b"{}"))


def test_the_oldest_makes_room() -> None:
    ring = DeliveryRing(limit=3)
    for number in range(1, 6):
        ring.on_passed(report(number))
    assert [ring.find(f"{number}-0") is not None for number in range(1, 6)] == [False, False, True, True, True]
    assert ring.find("5") is None


def test_what_comes_again_counts_anew_and_is_young_again() -> None:
    ring = DeliveryRing(limit=2)
    ring.on_passed(report(1))
    ring.on_passed(report(2))
    ring.on_passed(report(1, matched=5))
    ring.on_passed(report(3))
    assert ring.find("2-0") is None
    found = ring.find("1-0")
    assert found is not None
    assert (found.room, found.reach.matched, found.seconds, found.accepted) == (ROOM, 5, 0.25, 17.0)
