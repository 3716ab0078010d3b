"""The tap: it shows what the ways in submit, and changes nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from gateway.fanout.base import CoreStats, Submission
from gateway.ingest.tap import EventTap
from gateway.protocol.positions import Position
from gateway.types import Room

ITEMS = [Submission(Room(1, branch), ("branch:5:kitchen",), b"{}") for branch in (5, 6)]


class FakeFanout:
    """Refuses branch 6."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        return [item.room.branch != 6 for item in items]

    def announce(self, room: Room, text: str, position: Position) -> bool:
        self.announced.append(text)
        return True

    def stats(self) -> CoreStats:
        return CoreStats(1, 2, 3, 4, 5, 6)


class Watcher:
    def __init__(self, *, fails: bool = False) -> None:
        self.seen: list[tuple[int, bool]] = []
        self.fails = fails

    def on_submitted(self, items: Sequence[Submission], accepted: Sequence[bool]) -> None:
        if self.fails:
            raise RuntimeError("a watcher's own fault")
        self.seen.extend((item.room.branch, taken) for item, taken in zip(items, accepted, strict=True))


def test_a_watcher_sees_what_was_submitted_and_what_became_of_it_while_it_watches() -> None:
    tap, watcher = EventTap(FakeFanout()), Watcher()
    tap.submit_many(ITEMS)
    with tap.watched(watcher):
        assert tap.submit_many(ITEMS) == [True, False]
    tap.submit_many(ITEMS)
    assert watcher.seen == [(5, True), (6, False)]


def test_two_watchers_see_the_same_and_each_leaves_alone() -> None:
    tap, first, second = EventTap(FakeFanout()), Watcher(), Watcher()
    with tap.watched(first):
        with tap.watched(second):
            tap.submit_many(ITEMS)
        tap.submit_many(ITEMS)
    assert (len(first.seen), len(second.seen)) == (4, 2)


def test_a_watcher_that_fails_is_let_go_and_no_event_notices(caplog: pytest.LogCaptureFixture) -> None:
    tap, bad, good = EventTap(FakeFanout()), Watcher(fails=True), Watcher()
    with tap.watched(bad), tap.watched(good), caplog.at_level(logging.ERROR):
        assert tap.submit_many(ITEMS) == [True, False]
        bad.fails = False
        tap.submit_many(ITEMS)
    assert bad.seen == []
    assert len(good.seen) == 4
    assert "a watcher of events failed" in caplog.text


def test_announcements_and_stats_are_the_fanouts() -> None:
    fanout = FakeFanout()
    tap = EventTap(fanout)
    assert tap.announce(Room(1, 5), "gap", Position("0-0"))
    assert fanout.announced == ["gap"]
    assert tap.stats().broadcasts_in_flight == 3
