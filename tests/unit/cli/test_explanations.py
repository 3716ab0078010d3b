"""Every close code and refusal has words."""

from __future__ import annotations

import pytest

from gateway.cli.explanations import explain_close, explain_status
from gateway.protocol.close_codes import CLOSE_CODES, WSCloseCode


@pytest.mark.parametrize("code", CLOSE_CODES)
def test_a_code_of_the_gateway_is_named_explained_and_says_whether_to_come_back(code: WSCloseCode) -> None:
    text = explain_close(code, "")
    assert f"{int(code)} {code.name}" in text
    assert CLOSE_CODES[code].when in text
    assert text.endswith(f"reconnect: {CLOSE_CODES[code].reconnect}")


def test_a_lost_connection_is_not_the_gateways_decision() -> None:
    assert "lost" in explain_close(1006, "")


def test_a_strangers_code_is_shown_with_its_reason_harmlessly() -> None:
    assert explain_close(4999, "\x1b[2Jbye") == "the connection was closed with 4999: '\\x1b[2Jbye'"
    assert explain_close(4999, "") == "the connection was closed with 4999"


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "no token"), (403, "Origin"), (404, "prefix"), (429, "wait"), (503, "draining"), (200, "--url")],
)
def test_a_refused_handshake_is_explained(status: int, says: str) -> None:
    text = explain_status(status)
    assert f"HTTP {status}" in text
    assert says in text


def test_a_status_that_nobody_knows_is_survived() -> None:
    assert "HTTP 599:" in explain_status(599)
