"""Which token `gateway tail` takes from where."""

from __future__ import annotations

import io
import sys

import pytest
import typer

from gateway.cli.credential import Credential, choose_credential

STAFF, TABLE = "aaa.bbb.ccc", "v1.ddd.eee"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_TOKEN", raising=False)
    monkeypatch.delenv("GATEWAY_TABLE_TOKEN", raising=False)


def test_options_alone() -> None:
    assert choose_credential(STAFF, "kitchen", None) == Credential(STAFF, "kitchen")
    assert choose_credential(None, None, TABLE) == Credential(TABLE, "diner")


def test_the_environment_fills_in_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TOKEN", STAFF)
    assert choose_credential(None, "admin", None) == Credential(STAFF, "admin")
    assert choose_credential(None, None, TABLE) == Credential(TABLE, "diner")
    monkeypatch.setenv("GATEWAY_TABLE_TOKEN", TABLE)
    assert choose_credential(None, None, None) == Credential(TABLE, "diner")
    # --as says that staff is meant.
    assert choose_credential(None, "admin", None) == Credential(STAFF, "admin")


def test_a_dash_reads_one_line_of_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{STAFF}\nmore\n"))
    assert choose_credential("-", "waiter", None).token == STAFF


@pytest.mark.parametrize(
    ("token", "endpoint", "table_token", "says"),
    [
        (STAFF, "waiter", TABLE, "not both"),
        (None, "waiter", TABLE, "--as is for staff"),
        (STAFF, None, None, "--as is missing"),
        (None, None, None, "no token"),
        (None, "waiter", None, "no token"),
        ("", "waiter", None, "not a token"),
        ("a b", "waiter", None, "not a token"),
        ("a,b", "waiter", None, "not a token"),
        ("a\r\nX-Evil: 1", "waiter", None, "not a token"),
        ("é", "waiter", None, "not a token"),
    ],
)
def test_what_makes_no_credential_is_refused(
    token: str | None, endpoint: str | None, table_token: str | None, says: str
) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        choose_credential(token, endpoint, table_token)


def test_a_refused_token_is_not_repeated() -> None:
    with pytest.raises(typer.BadParameter) as refused:
        choose_credential("secret token", "waiter", None)
    assert "secret" not in str(refused.value)
