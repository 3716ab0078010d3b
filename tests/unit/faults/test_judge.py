"""The judge of critical events, on hand-made logs: what is right passes, and each thing that is wrong is found."""

from __future__ import annotations

import pytest

from tests.faults.judge import judge
from tests.faults.script import KITCHEN, ledger_of, log_of
from tests.faults.seat import Seat


@pytest.mark.parametrize(
    ("story", "announced"),
    [
        ("0 1 2 3 4", 0),
        ("0 1 end resumed 2 3 4", 0),
        ("0 1 @3 gap 4", 2),
        ("0 1 end @3 unknown 4", 2),
        ("0 1 end @3 anew 4", 2),
        ("0 1 2 @4.2 gap", 2),
        ("@4.9 gap", 5),
        ("0 1 2 3 4 gap", 0),
        # History began again: what comes after the announcement may be older.
        ("0 1 4 gap 2 3", 0),
    ],
)
def test_what_is_right_passes(story: str, announced: int) -> None:
    verdict = judge(log_of(story), ledger_of(5).lines)
    assert (verdict.silent, verdict.wrong) == ([], [])
    assert (verdict.expected, verdict.announced) == (5, announced)
    assert verdict.delivered == 5 - announced


@pytest.mark.parametrize(
    ("story", "silent"),
    [
        ("0 1 3 4", [2]),
        ("1 2 3 4", [0]),
        ("0 1 2 3", [4]),
        ("", [0, 1, 2, 3, 4]),
        ("0 1 end resumed 3 4", [2]),
        # Told before the last event that came, or after the first that should not have come.
        ("0 gap 1 3 4", [2]),
        ("0 1 3 @4 gap 4", [2]),
        # Told before the missing event was even offered.
        ("0 1 @1.6 gap", [2, 3, 4]),
        ("0 1 end @1.9 unknown 3 4", [2]),
        # One announcement does not excuse the next loss.
        ("0 @1 gap 2 4", [3]),
    ],
)
def test_a_loss_without_a_word_is_found(story: str, silent: list[int]) -> None:
    verdict = judge(log_of(story), ledger_of(5).lines)
    assert verdict.silent == silent
    assert verdict.wrong == []


@pytest.mark.parametrize(
    ("story", "sentence"),
    [
        ("0 1 1 2 3 4", "heard twice"),
        ("0 1 2 end resumed 2 3 4", "heard twice"),
        ("0 1 2 gap 2 3 4", "heard twice"),
        ("0 2 1 3 4", "heard after a later one"),
        ("0 1 3 end resumed 2 4", "heard after a later one"),
        ("0 1 end unanswered 2 3 4", "not answered"),
    ],
)
def test_what_comes_twice_or_out_of_order_is_found(story: str, sentence: str) -> None:
    verdict = judge(log_of(story), ledger_of(5).lines)
    assert len(verdict.wrong) == 1
    assert sentence in verdict.wrong[0]


def test_asking_in_vain_announces_nothing() -> None:
    assert judge(log_of("0 1 end unanswered 3 4"), ledger_of(5).lines).silent == [2]


def test_what_nobody_sent_or_another_may_see_is_found() -> None:
    assert "may not see" in judge(log_of("0 1 2"), ledger_of(2).lines).wrong[0]
    diner = Seat("diner", "diner", (5,), session=77)
    assert "may not see" in judge(log_of("0", seat=diner), ledger_of(1).lines).wrong[0]
    other = Seat("kitchen", "kitchen", (6,))
    assert "may not see" in judge(log_of("0", seat=other, branch=6), ledger_of(1).lines).wrong[0]


def test_what_was_never_accepted_is_not_due_but_may_come() -> None:
    lines = ledger_of(3, refused=(1,)).lines
    for story in ("0 2", "0 1 2"):
        verdict = judge(log_of(story), lines)
        assert (verdict.expected, verdict.silent, verdict.wrong) == (2, [], [])


def test_what_came_before_the_client_is_not_due() -> None:
    log = log_of("3 4")
    first = log.connections[0].items[0]
    object.__setattr__(first, "positions", {5: "1700-2/00000000"})
    verdict = judge(log, ledger_of(5).lines)
    assert (verdict.expected, verdict.silent) == (2, [])


def test_a_message_that_no_client_should_get_is_found() -> None:
    log = log_of("0")
    log.take('{"type":"error","code":"bad_json"}', 1.0)
    assert "strange" in judge(log, ledger_of(1).lines).wrong[0]


def test_the_announcement_of_one_branch_excuses_no_other() -> None:
    both = Seat(KITCHEN.name, "kitchen", (5, 6))
    log = log_of("", seat=both)
    object.__setattr__(log.connections[0].items[0], "positions", {5: "0-0", 6: "0-0"})
    log.take('{"type":"gap","branch":6,"critical":true}', 9.0)
    assert judge(log, ledger_of(2).lines).silent == [0, 1]
