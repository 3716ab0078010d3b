"""The judge of best-effort events, on hand-made logs: each excuse counts once, and for what it covers."""

from __future__ import annotations

import pytest

from tests.faults.best_effort import judge_best_effort
from tests.faults.counters import Counters, read_counters
from tests.faults.script import ledger_of, log_of

CHANNEL = "branch:5:kitchen"
NONE = Counters()


def verdict_of(story: str, counted: Counters = NONE, count: int = 6) -> tuple[list[int], int, list[str]]:
    verdict = judge_best_effort(
        log_of(story, critical=False), ledger_of(count, channel=CHANNEL).lines, {"a": counted, "b": NONE}
    )
    assert verdict.expected == verdict.delivered + verdict.counted + len(verdict.silent)
    return verdict.silent, verdict.counted, verdict.wrong


@pytest.mark.parametrize(
    ("story", "counted", "missed"),
    [
        ("0 1 2 3 4 5", NONE, 0),
        ("0 1 dropped:2 4 5", NONE, 2),
        ("0 1 4 5", Counters(dropped=2), 2),
        ("0 1 4 5", Counters(interruptions=1), 2),
        ("0 3 5", Counters(interruptions=2), 3),
        ("0 1 end @4.2 resumed 5", NONE, 3),
        ("0 1 2 3 end", NONE, 2),
        # On their way when the connection ended.
        ("0 1 2 @4.8 end resumed 5", NONE, 2),
    ],
)
def test_what_is_accounted_for_passes(story: str, counted: Counters, missed: int) -> None:
    assert verdict_of(story, counted) == ([], missed, [])


@pytest.mark.parametrize(
    ("story", "counted", "silent"),
    [
        ("0 1 2 4 5", NONE, [3]),
        ("0 1 dropped:1 4 5", NONE, [2, 3]),
        ("0 1 4 5", Counters(dropped=1), [2, 3]),
        # Two holes cannot be one interruption.
        ("0 2 3 5", Counters(interruptions=1), [1, 4]),
        # Before it went away.
        ("0 2 3 end @3.6 resumed 4 5", NONE, [1]),
        # After it had come back.
        ("0 1 2 end @3.1 resumed 5", NONE, [4]),
        # What other nodes count, and other counters, say nothing.
        ("0 1 2 3 4", Counters(gaps=9, dead_letters=9, lost_at_source=9), [5]),
    ],
)
def test_what_is_in_no_counter_is_found(story: str, counted: Counters, silent: list[int]) -> None:
    found, _, wrong = verdict_of(story, counted)
    assert (found, wrong) == (silent, [])


def test_what_comes_twice_or_out_of_order_or_to_the_wrong_one_is_found() -> None:
    assert "heard twice" in verdict_of("0 1 1 2 3 4 5")[2][0]
    assert "heard after 2" in verdict_of("0 2 1 3 4 5")[2][0]
    assert "heard twice" in verdict_of("0 1 end @1.6 resumed 2 2 3 4 5")[2][0]
    assert "not for it" in verdict_of("0 1 2 3 4 5 6")[2][0]


def test_counters_are_read_from_a_scrape() -> None:
    scrape = """
# TYPE gateway_events_dropped_total counter
gateway_events_dropped_total{reason="queue_full"} 3.0
gateway_events_dropped_total{reason="bad_json"} 1.0
# TYPE gateway_pubsub_interruptions_total counter
gateway_pubsub_interruptions_total 2.0
# TYPE gateway_connections gauge
gateway_connections{endpoint="diner"} 7.0
"""
    assert read_counters(scrape) == Counters(dropped=4, interruptions=2)
    assert Counters(dropped=4, interruptions=2) + Counters(dropped=1) == Counters(dropped=5, interruptions=2)
