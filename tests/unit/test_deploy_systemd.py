"""The systemd unit, by a reader of its own and, where it is there, by systemd itself."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from gateway.cli.exits import ExitStatus
from gateway.settings import Settings
from tests.support.deploy_files import DEPLOY, SECRETS, longest_stop, seconds, with_secrets, write_secrets

UNIT = DEPLOY / "systemd" / "fanout-gateway.service"
EXPOSURE = 20
"""What `systemd-analyze security` may at most find, in tenths; below 2.0 it says "OK"."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on PATH")


@pytest.fixture(scope="module")
def service() -> dict[str, list[str]]:
    """The values of each key of [Service], in order: several may stand, which configparser does not know."""
    found: dict[str, list[str]] = defaultdict(list)
    section = ""
    for line in UNIT.read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = heading[1]
        elif section == "Service" and line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, line
            found[key].append(value)
    return found


def environment_file() -> dict[str, str]:
    lines = (DEPLOY / "systemd" / "gateway.env").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_its_settings_and_credentials_are_what_production_asks_for(
    service: dict[str, list[str]], tmp_path: Path
) -> None:
    write_secrets(tmp_path)
    credentials = dict(value.split(":", 1) for value in service["LoadCredential"])
    assert credentials == {name: f"/etc/fanout-gateway/secrets/{name}" for name in SECRETS}
    environment = dict(value.split("=", 1) for value in service["Environment"] if value.startswith("GATEWAY_"))
    settings = Settings.load(with_secrets({**environment_file(), **environment}, "%d/", tmp_path))
    assert settings.environment == "production"
    assert settings.trusted_proxies, "or all clients share the attempts of one address"
    assert settings.unknown == ()
    assert settings.operator_key is not None


def test_a_stop_has_more_time_than_the_drain_takes(service: dict[str, list[str]]) -> None:
    drain = Settings(drain_seconds=float(environment_file()["GATEWAY_DRAIN_SECONDS"]))
    assert seconds(service["TimeoutStopSec"][0]) > longest_stop(drain)
    assert service["KillMode"] == ["mixed"], "SIGTERM to the main process alone, SIGKILL to all"


def test_it_is_not_started_again_with_settings_that_are_wrong(service: dict[str, list[str]]) -> None:
    assert service["RestartPreventExitStatus"] == [str(int(ExitStatus.WRONG_USAGE))]


def test_it_is_confined(service: dict[str, list[str]]) -> None:
    for key, value in {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "CapabilityBoundingSet": "",
        "PrivateTmp": "yes",
    }.items():
        assert service[key] == [value]
    assert int(service["LimitNOFILE"][0]) >= 65_536


@pytest.fixture
def verifiable(tmp_path: Path) -> Path:
    """The unit with a program that is there: this machine has no gateway in /opt."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text("utf-8")
    assert text.count("/opt/fanout-gateway/bin/gateway") == 1
    copy.write_text(text.replace("/opt/fanout-gateway/bin/gateway", "/bin/true"), "utf-8")
    return copy


@needs_systemd
def test_systemd_finds_nothing_wrong(verifiable: Path) -> None:
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(verifiable)], capture_output=True, text=True, check=False
    )
    # It also speaks of the machine's own units; what it says of ours names it.
    assert UNIT.name not in verified.stdout + verified.stderr
    assert verified.returncode == 0


@needs_systemd
def test_systemd_finds_it_confined(verifiable: Path) -> None:
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE}", str(verifiable)],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unrecognized option" in judged.stderr:
        pytest.skip("this systemd-analyze is too old to judge a file")
    assert judged.returncode == 0, judged.stdout
