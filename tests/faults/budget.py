"""The loss budget: what each fault costs, as a table and as a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.catalogue import FAULTS
from tests.faults.report import Report

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "loss-budget.md"
BLOCK: Final = re.compile(r"(<!-- table: loss-budget -->\n)(.*?)(<!-- end -->)", re.DOTALL)

COLUMNS: Final = (
    "fault",
    "critical sent",
    "deliveries due",
    "delivered",
    "lost, announced",
    "lost, not announced",
    "best-effort due",
    "delivered",
    "lost, counted",
    "lost, not counted",
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
        """For the page."""
        lines = [
            COLUMNS,
            ("---", *("--:" for _ in COLUMNS[1:])),
            *((f"`{fault}`: {what}", *_cells(fault, self.rows[fault])[1:]) for fault, what in FAULTS.items()),
        ]
        return "".join("| " + " | ".join(line) + " |\n" for line in lines)

    def write_page(self) -> bool:
        """Put the table into the page, if every fault has its row; whether it was done."""
        if self.rows.keys() != FAULTS.keys():
            return False
        page = PAGE.read_text("utf-8")
        PAGE.write_text(BLOCK.sub(lambda match: match[1] + self.table() + match[3], page), "utf-8")
        return True


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
