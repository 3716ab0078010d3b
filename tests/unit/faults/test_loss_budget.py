"""The loss budget says what the suite has, and the page is whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.faults.budget import COLUMNS, NOT_ANNOUNCED, NOT_COUNTED, PAGE, Budget, figures_on_page
from tests.faults.catalogue import FAULTS
from tests.faults.report import Report

SUITE = Path(__file__).resolve().parents[2] / "faults"


def test_every_fault_has_one_test_that_enters_it() -> None:
    entered = [
        name
        for file in SUITE.glob("test_*.py")
        for name in re.findall(r"budget\.enter\(\"([\w-]+)\"", file.read_text("utf-8"))
    ]
    assert sorted(entered) == sorted(FAULTS)


def test_the_page_lists_the_faults_of_the_suite() -> None:
    text = PAGE.read_text("utf-8")
    assert [row["fault"] for row in figures_on_page(text)] == [f"`{fault}`" for fault in FAULTS], "run `make faults`"
    for fault, what in FAULTS.items():
        assert f"| `{fault}` | {what} |" in text, "run `make faults`"


def test_nothing_on_the_page_was_lost_in_silence() -> None:
    for row in figures_on_page(PAGE.read_text("utf-8")):
        assert (row[NOT_ANNOUNCED], row[NOT_COUNTED]) == ("0", "0"), row["fault"]
        assert int(row["delivered"]) + int(row["lost, announced"]) == int(row["due"]) > 0, row["fault"]


def test_a_page_is_written_only_by_a_whole_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Before\n\n<!-- table: loss-budget -->\n<!-- end -->\n\nAfter\n", "utf-8")
    budget = Budget()
    for fault in FAULTS:
        assert not budget.write_page(page)
        budget.enter(fault, Report(sent=7, due=21, delivered=20, announced=1, recovery=1.25))
    assert budget.write_page(page)
    text = page.read_text("utf-8")
    assert text.startswith("# Before\n\n<!-- table: loss-budget -->\n| fault |")
    assert text.endswith("|\n<!-- end -->\n\nAfter\n")
    rows = figures_on_page(text)
    assert len(rows) == len(FAULTS)
    assert list(rows[0].values())[1:] == ["7", "21", "20", "1", "0", "0", "0", "0", "0", "1.25"]
    assert rows[0].keys() == set(COLUMNS)


def test_a_fault_that_is_in_no_catalogue_cannot_be_entered() -> None:
    with pytest.raises(KeyError):
        Budget().enter("meteorite", Report())


def test_the_terminal_shows_a_line_per_fault() -> None:
    budget = Budget()
    budget.enter("valkey-killed", Report(sent=12))
    header, row = budget.text().splitlines()
    assert header.split("  ")[0] == "fault"
    assert row.split()[:2] == ["valkey-killed", "12"]
    assert len(header) == len(row)
