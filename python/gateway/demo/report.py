"""The evening in words, when it is over."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.demo.latency import Quantiles
from gateway.demo.scoreboard import Summary


def summary_lines(summary: Summary, faults: Sequence[str]) -> list[str]:
    """The last words: numbers, faults, and whether the evening was perfect."""
    return [
        f"published  {summary.published} (of these {summary.strays} mistakes on purpose, for nobody)",
        f"expected   {summary.expected}",
        f"delivered  {summary.delivered}",
        f"lost       {summary.lost}",
        f"wrong      {summary.wrong}",
        f"latency    {latency_text(summary.latency)}",
        *(f"fault: {fault}" for fault in faults),
        "every delivery was expected, and every expected delivery came"
        if summary.perfect
        else "this evening was not perfect",
    ]


def latency_text(quantiles: Quantiles | None) -> str:
    """Both quantiles in milliseconds, or dashes while there are none."""
    if quantiles is None:
        return "p50 - p99 -"
    return f"p50 {quantiles.p50 * 1000:.1f} ms p99 {quantiles.p99 * 1000:.1f} ms"
