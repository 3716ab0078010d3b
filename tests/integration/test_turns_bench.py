"""The bench of turns in a reactor; and that there are turns, by a margin that a busy machine does not use up."""

from __future__ import annotations

import statistics

from benches.turns import Wait, measure, report


async def test_an_event_of_a_quiet_tenant_does_not_wait_for_a_burst_that_was_accepted_before_it() -> None:
    waits = await measure()
    ratios = [wait.quiet / wait.burst for wait in waits]
    # In the order of submission it is two thirds: the writes of what has gathered come last. With turns, a twentieth.
    assert statistics.median(ratios) < 0.45, report(waits)


def test_the_report_shows_the_ratio() -> None:
    assert "after 0.20 of" in report([Wait(0.1, 1.0), Wait(0.2, 1.0), Wait(0.4, 1.0)])
