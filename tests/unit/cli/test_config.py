"""`gateway config`: what a gateway would be started with."""

from __future__ import annotations

import json

from gateway.settings import Settings
from tests.unit.cli.conftest import Run


def test_one_row_a_setting(run: Run) -> None:
    ended = run("config", GATEWAY_PORT="9000")
    assert (ended.status, ended.err) == (0, "")
    rows = [line.split("\t") for line in ended.out.splitlines()]
    assert len(rows) == len(Settings.model_fields)
    assert ["GATEWAY_PORT", "9000", "", "environment"] in rows
    assert ["GATEWAY_TOKEN_MAX_AGE", "86400", "s", "default"] in rows


def test_only_what_was_changed(run: Run) -> None:
    secret = "never-to-be-seen-" * 3
    ended = run("config", "--changed", "--json", GATEWAY_OPERATOR_KEY=secret, GATEWAY_DRAIN_SECONDS="7.5")
    assert ended.status == 0
    shown = {line["name"]: line for line in map(json.loads, ended.out.splitlines())}
    assert set(shown) == {"GATEWAY_OPERATOR_KEY", "GATEWAY_DRAIN_SECONDS"}
    assert shown["GATEWAY_DRAIN_SECONDS"]["value"] == "7.5"
    assert shown["GATEWAY_DRAIN_SECONDS"]["unit"] == "s"
    assert shown["GATEWAY_DRAIN_SECONDS"]["meaning"]
    assert "never" not in ended.out


def test_nothing_changed_is_said(run: Run) -> None:
    ended = run("config", "--changed")
    assert (ended.status, ended.out) == (0, "")
    assert "every setting is at its default" in ended.err


def test_what_is_no_setting_is_named_beside_the_result(run: Run) -> None:
    ended = run("config", "--changed", GATEWAY_PROT="9000")
    assert ended.status == 0
    assert "GATEWAY_PROT is not a setting: did you mean GATEWAY_PORT?" in ended.err


def test_settings_that_are_refused_at_start_are_refused_here(run: Run) -> None:
    ended = run("config", GATEWAY_ENVIRONMENT="production")
    assert (ended.status, ended.out) == (2, "")
    assert "GATEWAY_JWT_SECRET is missing" in ended.err
