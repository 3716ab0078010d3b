"""The loss budget is filled by the tests of this folder, printed at the end, and written to its page by a full run."""

from __future__ import annotations

import pytest

from tests.faults.budget import BUDGET, Budget
from tests.faults.scale import FULL

SECONDS = 1_500 if FULL else 150


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture
def budget() -> Budget:
    """Where a fault's report is entered."""
    return BUDGET


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if BUDGET.rows:
        terminalreporter.section("loss budget")
        terminalreporter.write_line(BUDGET.text())
    if FULL and BUDGET.write_page():
        terminalreporter.write_line("docs/reference/loss-budget.md was written")
