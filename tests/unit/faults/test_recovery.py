"""When everybody heard again."""

from __future__ import annotations

from tests.faults.recovery import recovered_at
from tests.faults.script import KITCHEN, ledger_of, log_of
from tests.faults.seat import Seat

OTHER = Seat("other kitchen", "kitchen", (5,))


def test_the_last_client_to_hear_the_first_event_counts() -> None:
    logs = [log_of("0 1 2"), log_of("0 @9 1 2", seat=OTHER)]
    assert recovered_at(logs, ledger_of(3).lines, 0.5) == 9.0


def test_an_event_that_somebody_was_not_given_does_not_count() -> None:
    logs = [log_of("0 1 2 3"), log_of("0 @8 gap 3", seat=OTHER)]
    assert recovered_at(logs, ledger_of(4).lines, 0.5) == 8.0


def test_before_that_there_is_no_answer() -> None:
    assert recovered_at([log_of("0 1")], ledger_of(2).lines, 1.2) is None
    assert recovered_at([log_of("0"), log_of("", seat=OTHER)], ledger_of(1).lines, 0.0) is None
    assert recovered_at([log_of("0", seat=KITCHEN)], ledger_of(1).lines, 0.0) == 0.5
