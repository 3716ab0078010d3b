"""Print pytest-benchmark's JSON as Markdown tables with ratios: native against pure, shared reads against lone ones.

python scripts/bench_table.py .benchmarks/latest.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

PAIRS = ({"native", "pure"}, {"shared", "lone"})
"""The sides of a comparison; the first one's column comes first."""

WAYS = {"json"}.union(*PAIRS)

UNITS = ((1e-3, "ms", 1e3), (1e-6, "µs", 1e6), (0.0, "ns", 1e9))


def main(arguments: list[str]) -> int:
    """Print the table; the exit status: 1 when a group lacks a side, 2 for a wrong call."""
    if len(arguments) != 1:
        print("usage: bench_table.py RESULTS.json", file=sys.stderr)
        return 2
    results = json.loads(Path(arguments[0]).read_text("utf-8"))
    groups = medians(results["benchmarks"])
    incomplete = [name for name, ways in groups.items() if not any(pair <= ways.keys() for pair in PAIRS)]
    if incomplete or not groups:
        print(f"no result of both sides: {', '.join(incomplete) or 'no benchmark at all'}", file=sys.stderr)
        return 1
    print(f"Medians on {machine(results)}.")
    print("\n| | native | pure | pure ÷ native | JSON per recipient ÷ native |")
    print("|---|---:|---:|---:|---:|")
    for name, ways in groups.items():
        if "native" not in ways:
            continue
        native, pure, other = ways["native"], ways["pure"], ways.get("json")
        against_json = f"{other / native:,.1f}" if other else ""
        print(f"| {name} | {seconds(native)} | {seconds(pure)} | {pure / native:.1f} | {against_json} |")
    print("\n| | shared reads | one for each client | lone ÷ shared |")
    print("|---|---:|---:|---:|")
    for name, ways in groups.items():
        if "shared" in ways:
            shared, lone = ways["shared"], ways["lone"]
            print(f"| {name} | {seconds(shared)} | {seconds(lone)} | {lone / shared:.1f} |")
    return 0


def medians(benchmarks: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """For each group the median of each way, in seconds; a way is the part of the case's id that names it."""
    groups: dict[str, dict[str, float]] = {}
    for case in benchmarks:
        ways = WAYS & set(case["param"].split("-"))
        for way in ways:
            groups.setdefault(case["group"], {})[way] = case["stats"]["median"]
    return {name: groups[name] for name in sorted(groups, key=by_size)}


def by_size(group: str) -> tuple[str, int]:
    """Cases that differ only in a number stand in the order of that number."""
    number = re.search(r"[\d,]*\d", group)
    return re.sub(r"[\d,]*\d", "", group), int(number[0].replace(",", "")) if number else 0


def machine(results: dict[str, Any]) -> str:
    """What it was measured on."""
    info = results["machine_info"]
    processor = info.get("cpu", {}).get("brand_raw") or info["machine"]
    return f"{info['python_implementation']} {info['python_version']}, {info['system']}, {processor}"


def seconds(time: float) -> str:
    """A time with three digits, in the unit that suits it."""
    unit, factor = next((unit, factor) for least, unit, factor in UNITS if time >= least)
    return f"{time * factor:.3g} {unit}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
