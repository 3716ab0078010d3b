"""`gateway doctor` finds what is wrong with settings, secrets, origins, limits and the core."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.cli.checks import gathering
from gateway.cli.checks.base import Level
from gateway.cli.checks.core import CoreCheck
from gateway.cli.checks.gathering import gather
from gateway.cli.checks.open_files import OpenFilesCheck
from gateway.cli.checks.origins import OriginsCheck
from gateway.cli.checks.secrets import SecretsCheck
from gateway.cli.checks.settings import SettingsCheck
from gateway.cli.doctor import CHECKS, examine
from gateway.settings import DEVELOPMENT_SECRET
from tests.support.patients import PRODUCTION, developer, levels, patient, said

OK, WARNING, PROBLEM = Level.OK, Level.WARNING, Level.PROBLEM


def test_with_a_healthy_gateway_nothing_is_wrong_and_every_check_says_so() -> None:
    findings = examine(patient())
    assert [finding for finding in findings if finding.level is not OK] == []
    assert {finding.subject for finding in findings} == {check.subject for check in CHECKS}


# --- settings -------------------------------------------------------------------------------------------------------


def test_settings_that_do_not_let_the_gateway_start_are_problems() -> None:
    broken = gather({"GATEWAY_PORT": "x", "GATEWAY_DRAIN_SECONDS": "-1"}, None)
    assert levels(SettingsCheck(), broken) == [PROBLEM, PROBLEM]
    assert "GATEWAY_PORT" in said(SettingsCheck(), broken)
    assert "GATEWAY_DRAIN_SECONDS" in said(SettingsCheck(), broken)


def test_production_without_secrets_and_origins_is_three_problems() -> None:
    live = gather({"GATEWAY_ENVIRONMENT": "production"}, None)
    assert live.production
    assert levels(SettingsCheck(), live) == [PROBLEM] * 3
    for name in ("GATEWAY_JWT_SECRET", "GATEWAY_TABLE_TOKEN_SECRET", "GATEWAY_ALLOWED_ORIGINS"):
        assert name in said(SettingsCheck(), live)


def test_a_variable_that_is_no_setting_is_a_warning() -> None:
    found = said(SettingsCheck(), patient({"GATEWAY_PROT": "9000"}))
    assert "did you mean GATEWAY_PORT?" in found


# --- secrets --------------------------------------------------------------------------------------------------------


def test_the_development_secret_is_a_warning_for_each_purpose() -> None:
    assert levels(SecretsCheck(), developer()) == [WARNING, WARNING]
    assert DEVELOPMENT_SECRET not in said(SecretsCheck(), developer())


def test_a_short_secret_is_a_warning_with_its_length_and_not_its_text() -> None:
    found = said(SecretsCheck(), developer({"GATEWAY_JWT_SECRETS": f"a:{'x' * 40},b:shorty"}))
    assert "GATEWAY_JWT_SECRET has 6 bytes" in found
    assert "shorty" not in found


@pytest.mark.parametrize("other", ["GATEWAY_TABLE_TOKEN_SECRET", "GATEWAY_OPERATOR_KEY"])
def test_one_secret_for_two_purposes_is_a_warning(other: str) -> None:
    both = patient({other: PRODUCTION["GATEWAY_JWT_SECRET"]})
    assert levels(SecretsCheck(), both) == [WARNING]
    assert other in said(SecretsCheck(), both)


def test_api_keys_are_secrets_of_their_own_but_may_have_several_scopes() -> None:
    key = "k" * 40
    scopes = {"GATEWAY_API_READ_KEYS": f"support:{key}", "GATEWAY_API_OPERATE_KEYS": f"support:{key}"}
    assert levels(SecretsCheck(), patient(scopes)) == [OK]
    shared = patient({"GATEWAY_API_READ_KEYS": f"support:{PRODUCTION['GATEWAY_JWT_SECRET']}"})
    assert levels(SecretsCheck(), shared) == [WARNING]
    short = developer({"GATEWAY_API_PUBLISH_KEYS": "orders:short"})
    assert "GATEWAY_API_…_KEYS has 5 bytes" in said(SecretsCheck(), short)


def test_production_without_an_operator_key_is_a_warning() -> None:
    assert "GATEWAY_OPERATOR_KEY is not set" in said(SecretsCheck(), patient({"GATEWAY_OPERATOR_KEY": ""}))


@pytest.mark.parametrize(("mode", "level"), [(0o600, OK), (0o640, OK), (0o644, WARNING), (0o666, PROBLEM)])
def test_a_secret_file_that_others_can_read_or_replace(tmp_path: Path, mode: int, level: Level) -> None:
    file = tmp_path / "jwt"
    file.write_text("j" * 40)
    file.chmod(mode)
    environ = {
        name: value for name, value in PRODUCTION.items() if name not in ("GATEWAY_JWT_SECRET", "GATEWAY_REDIS_URL")
    }
    gathered = gather(environ | {"GATEWAY_JWT_SECRET_FILE": str(file)}, None)
    assert levels(SecretsCheck(), gathered) == [level]


# --- origins --------------------------------------------------------------------------------------------------------


def test_no_origins_are_a_warning() -> None:
    assert levels(OriginsCheck(), developer()) == [WARNING]


@pytest.mark.parametrize("origin", ["https://app.example.com/", "https://*.example.com", "app.example.com"])
def test_what_is_no_origin_is_a_problem(origin: str) -> None:
    wrong = patient({"GATEWAY_ALLOWED_ORIGINS": f"https://app.example.com,{origin}"})
    assert levels(OriginsCheck(), wrong) == [PROBLEM]
    assert origin in said(OriginsCheck(), wrong)


def test_pages_without_tls_are_a_warning_in_production_alone() -> None:
    plain = {"GATEWAY_ALLOWED_ORIGINS": "http://localhost:5173"}
    assert levels(OriginsCheck(), patient(plain)) == [WARNING]
    assert levels(OriginsCheck(), developer(plain)) == [OK]


# --- open files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "wanted", "level", "says"),
    [
        ((1_048_576, 1_048_576), "0", OK, ""),
        ((-1, -1), "500000", OK, ""),
        ((1_024, 1_048_576), "0", WARNING, "ulimit -n 65536"),
        ((1_024, 4_096), "0", WARNING, "the hard limit is 4096"),
        ((1_024, 1_048_576), "800", OK, ""),
        ((1_024, 1_048_576), "900", PROBLEM, "LimitNOFILE=1028"),
        ((128, 128), "0", PROBLEM, "does not start"),
    ],
)
def test_the_limit_against_what_is_wanted(limits: tuple[int, int], wanted: str, level: Level, says: str) -> None:
    limited = patient({"GATEWAY_MAX_CONNECTIONS": wanted}, open_files=limits)
    assert levels(OpenFilesCheck(), limited) == [level]
    assert says in said(OpenFilesCheck(), limited)


# --- core -----------------------------------------------------------------------------------------------------------

MISSING = "the native core cannot be imported (no such file)"


@pytest.mark.parametrize(
    ("fanout", "complaint", "in_production", "in_development"),
    [
        ("auto", "", OK, OK),
        ("auto", MISSING, PROBLEM, WARNING),
        ("native", MISSING, PROBLEM, PROBLEM),
        ("pure", MISSING, WARNING, OK),
    ],
)
def test_the_core_that_is_asked_for(fanout: str, complaint: str, in_production: Level, in_development: Level) -> None:
    environ = {"GATEWAY_FANOUT": fanout}
    assert levels(CoreCheck(), patient(environ, core_complaint=complaint)) == [in_production]
    assert levels(CoreCheck(), developer(environ, core_complaint=complaint)) == [in_development]


def test_the_extension_of_this_installation_is_there_and_one_that_is_not_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert gathering.core_complaint() == ""
    monkeypatch.setitem(sys.modules, "gateway._fanout_core", None)
    monkeypatch.delitem(sys.modules, "gateway.fanout.native")
    monkeypatch.delattr("gateway._fanout_core", raising=False)
    assert "cannot be imported" in gathering.core_complaint()
