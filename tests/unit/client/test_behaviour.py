"""Every row of the clients' behaviour table, played to the Python client."""

from __future__ import annotations

import json
import re

import pytest

from gateway.protocol.close_codes import CLOSE_CODES, WSCloseCode
from tests.support.behaviour import TABLE, Row, Stage, rows

ROWS = rows()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_of_the_table(row: Row) -> None:
    stage = Stage(row.given)
    for number, step in enumerate(row.steps, 1):
        assert set(step) == {"when", "then"}
        assert stage.play(step["when"]) == step["then"], f"step {number}: {json.dumps(step['when'])}"


def test_no_row_is_left_out() -> None:
    # Counted in the text, not by the loader that the tests go by.
    written = sum(len(re.findall(r'"steps":', path.read_text("utf-8"))) for path in TABLE.iterdir())
    assert len(ROWS) == written
    assert len(set(map(str, ROWS))) == written, "names are unique, so that a test's name finds its row"


@pytest.mark.parametrize("code", [*CLOSE_CODES, WSCloseCode.ABNORMAL])
def test_each_close_code_of_the_gateway_has_its_row(code: WSCloseCode) -> None:
    [row] = [row for row in ROWS if row.title == "Close codes" and row.name.startswith(f"{code.value} {code.name}")]
    gives_up = any("giveUp" in reaction for reaction in row.steps[0]["then"])
    comes_back = code is WSCloseCode.ABNORMAL or CLOSE_CODES[code].reconnect.startswith("yes")
    # After 4001 a fresh token is tried once.
    assert gives_up is not (comes_back or code is WSCloseCode.AUTH_FAILED)
