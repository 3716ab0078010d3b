"""What a node was past when a client dialled must not reach the client from it; what another gave it before may."""

from __future__ import annotations

import pytest

from tests.faults.handed_late import judge_handed_late
from tests.faults.script import ledger_of, log_of

CHANNEL = "branch:5:kitchen"


def found(*stories: str) -> list[str]:
    return judge_handed_late([log_of(story, critical=False) for story in stories], ledger_of(9, channel=CHANNEL).lines)


@pytest.mark.parametrize(
    "stories",
    [
        ("0 1 2 3", "0 1 2 3"),
        # `b` is behind `a`: one event comes again, and an older one after it.
        ("0 1 2 end @2.6 resumed 2 3", "end @0.1 resumed @2.7 2"),
        ("0 1 2 end @2.6 resumed 1 2 3",),
        # Others hear from `b` what it had not given anybody when this one dialled.
        ("0 1 2 end @2.6 resumed @4 1 2 3", "end @0.1 resumed @3 1 2"),
    ],
)
def test_a_node_that_is_behind_repeats_what_another_gave(stories: tuple[str, ...]) -> None:
    assert found(*stories) == []


@pytest.mark.parametrize(
    ("stories", "late"),
    [
        # From the very node that gave it before.
        (("0 1 2 end @2.6 to:a resumed 2 3",), "[2]"),
        (("0 1 2 end @2.6 resumed 3 end @3.6 to:a resumed 1 4",), "[1]"),
        # Another client had it from `b` already, or had a later one.
        (("0 1 2 end @2.6 resumed 2 3", "end @0.1 resumed 2"), "[2]"),
        (("0 1 end @2.6 resumed 1 3", "end @0.1 resumed 2"), "[1]"),
    ],
)
def test_a_node_that_gives_what_it_was_past_is_found(stories: tuple[str, ...], late: str) -> None:
    (sentence,) = found(*stories)
    assert "its node was past" in sentence
    assert late in sentence


def test_critical_events_are_for_another_judge() -> None:
    assert judge_handed_late([log_of("0 1 end @1.6 to:a resumed 1 2")], ledger_of(9).lines) == []
