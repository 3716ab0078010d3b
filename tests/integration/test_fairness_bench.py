"""The bench of tenants side by side, with a few events: that what it says is true, not how fast it is."""

from __future__ import annotations

from benches.fairness import QUICK, QUIET_RATE, Latencies, measure, p99, report
from benches.load.binaries import Binaries
from tests.support.valkey import ValkeyServer


async def test_every_quiet_event_arrives_while_the_noisy_ones_beyond_their_share_are_dropped(
    valkey: ValkeyServer,
) -> None:
    numbers = QUICK._replace(seconds=2)
    found = await measure(Binaries.build(release=False), numbers, valkey.url, limited=True)
    expected = round(numbers.seconds * QUIET_RATE) * numbers.quiet_clients
    assert (len(found.beside_share), len(found.beside_flood)) == (expected, expected)
    assert min(found.beside_share + found.beside_flood) > 0
    assert found.dropped > numbers.share, "ten times the share for seconds is far more than one second's worth"


def test_the_report_shows_the_ratio_of_the_99th_percentiles() -> None:
    calm = [number / 1_000 for number in range(1, 101)]
    loud = [value * 2 for value in calm]
    table = report(QUICK, Latencies(calm, calm, 7), Latencies(calm, loud, 0))
    assert "| 1.00 | 7 |" in table
    assert "| 2.00 | 0 |" in table
    assert 0.098 < p99(calm) < 0.1
