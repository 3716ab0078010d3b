"""Times and sizes as people read them."""

from __future__ import annotations

import pytest

from gateway.cli.quantities import rate, size, span, when


def test_a_time_is_a_date_while_there_are_dates() -> None:
    assert when(1_700_000_000.9) == "2023-11-14 22:13:20"
    assert when(1e15) == "1000000000000000"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0s"), (0, "0s"), (59.4, "59s"), (59.6, "1m 0s"), (125, "2m 5s"), (3_600, "1h 0m"), (93_784, "1d 2h")],
)
def test_a_span_has_two_units(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (None, "-"),
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_024, "1.0 KiB"),
        (10_240, "10 KiB"),
        (1 << 28, "256 MiB"),
        (1 << 41, "2048.0 GiB"),
    ],
)
def test_a_size_has_a_unit(count: float | None, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "-"), (0.0, "0"), (0.04, "0.0"), (2.5, "2.5"), (10.4, "10")])
def test_a_rate_is_short(value: float | None, shown: str) -> None:
    assert rate(value) == shown
