"""The loss budget: what each fault costs, as a table and as a page."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.catalogue import FAULTS
from tests.faults.report import Report
from tests.faults.scale import SCALE

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "loss-budget.md"
BLOCK: Final = re.compile(r"(<!-- table: loss-budget -->\n)(.*?)(<!-- end -->)", re.DOTALL)

NOT_ANNOUNCED: Final = "lost, not announced"
NOT_COUNTED: Final = "lost, not counted"
"""The two columns that must be 0."""

COLUMNS: Final = (
    "fault",
    "critical sent",
    "due",
    "delivered",
    "lost, announced",
    NOT_ANNOUNCED,
    "best-effort due",
    "best-effort delivered",
    "lost, counted",
    NOT_COUNTED,
    "recovery, s",
)


@dataclass
class Budget:
    """One row per fault."""

    rows: dict[str, Report] = field(default_factory=dict)

    def enter(self, fault: str, report: Report) -> None:
        """Add a fault's row.

        Raises:
            KeyError: the catalogue has no such fault.
        """
        assert FAULTS[fault]
        assert fault not in self.rows, f"{fault} has a row already"
        self.rows[fault] = report

    def text(self) -> str:
        """For the terminal: a row per fault, in the catalogue's order."""
        lines = [COLUMNS, *(_cells(fault, self.rows[fault]) for fault in FAULTS if fault in self.rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    def table(self) -> str:
        """For the page: what each fault is, under what conditions it was measured, and what it cost."""
        faults = [("fault", "what happens"), ("---", "---"), *((f"`{fault}`", what) for fault, what in FAULTS.items())]
        figures = [
            COLUMNS,
            ("---", *("--:" for _ in COLUMNS[1:])),
            *((f"`{fault}`", *_cells(fault, self.rows[fault])[1:]) for fault in FAULTS),
        ]
        return f"{_markdown(faults)}\n{_conditions()}\n\n{_markdown(figures)}"

    def write_page(self, page: Path = PAGE) -> bool:
        """Put the table into the page, if every fault has its row; whether it was done."""
        if self.rows.keys() != FAULTS.keys():
            return False
        text = page.read_text("utf-8")
        page.write_text(BLOCK.sub(lambda match: match[1] + self.table() + match[3], text), "utf-8")
        return True


def figures_on_page(page: str) -> list[dict[str, str]]:
    """The rows of the budget on a page, by column.

    Raises:
        ValueError: the page has none.
    """
    found = BLOCK.search(page)
    lines = (
        [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in found[2].splitlines()] if found else []
    )
    header = lines.index(list(COLUMNS))
    return [dict(zip(COLUMNS, line, strict=True)) for line in lines[header + 2 :]]


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _conditions() -> str:
    return (
        f"Measured with two nodes, ten clients, two rooms, up to {SCALE.rounds} rounds of each fault, on a machine "
        f"of {os.cpu_count()} cores that all of them and Valkey share; Python {platform.python_version()}."
    )


def _cells(fault: str, report: Report) -> tuple[str, ...]:
    return (
        fault,
        str(report.sent),
        str(report.due),
        str(report.delivered),
        str(report.announced),
        str(report.silent),
        str(report.best_effort_due),
        str(report.best_effort_delivered),
        str(report.best_effort_counted),
        str(report.best_effort_silent),
        f"{report.recovery:.2f}",
    )


BUDGET: Final = Budget()
"""That of this run of the tests."""
