"""A run as Markdown: the aims for the README, and every number for those who want them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benches.load.aims import Verdict, judge
from benches.load.measurement import Measurement
from benches.load.result import Result
from benches.load.spread import Spread


def readme_table(result: Result) -> str:
    """The aims that were measured, and under the table on what and how."""
    rows = [_verdict_row(verdict) for verdict in judge(result.measurements)]
    return "\n".join([*_table(("what", "aim", "measured", ""), rows), "", _footnote(result), ""])


def full_report(result: Result) -> str:
    """The aims, and then every measurement."""
    rows = [_measurement_row(one) for one in result.measurements]
    header = ("scenario", "clients", "who", "median", "smallest to largest", "unit")
    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    return "\n".join([readme_table(result), *_table(header, rows), "", f"Versions: {versions}.", ""])


def _verdict_row(verdict: Verdict) -> Sequence[str]:
    aim = verdict.aim
    suffix = f" of {aim.against}" if aim.against else f" {aim.unit}".rstrip()
    mark = "" if not aim.text else "reached" if verdict.reached else "**missed**"
    return (aim.title, aim.text or "report", _spread(verdict.measured, aim.digits) + suffix, mark)


def _measurement_row(one: Measurement) -> Sequence[str]:
    spread, digits = one.spread, _digits(one.spread.median)
    return (
        one.scenario,
        f"{one.clients:,}",
        one.contender,
        f"{spread.median:,.{digits}f}",
        f"{spread.low:,.{digits}f} to {spread.high:,.{digits}f}",
        one.unit,
    )


def _spread(spread: Spread, digits: int) -> str:
    return f"{spread.median:,.{digits}f} ({spread.low:,.{digits}f} to {spread.high:,.{digits}f})"


def _digits(value: float) -> int:
    return 0 if value >= 100 else 2


def _footnote(result: Result) -> str:
    machine, method = result.machine, result.method
    return (
        f"Median of {method['rounds']} alternating rounds (smallest to largest), {result.date}: {machine['class']}, "
        f"{machine['kernel']}, {machine['python']}; loopback, {method['event_bytes']} B events, one core for the "
        f"server, one for the clients, {method['sockets']} sockets. bare: a loop of `send()`, for bursts of one buffer "
        "with all frames; fastapi: `await ws.send_text()` in a loop; socketify: uWebSockets under Python. Every client "
        "checked that it got every event once and in order."
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(header), _row(["---"] * len(header)), *(_row(row) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
