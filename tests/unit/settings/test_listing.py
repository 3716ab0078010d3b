"""Every setting is listed with its value and its origin, and no secret is."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings, list_settings
from gateway.settings.note import note_of, variable

SECRET = "a-secret-that-nobody-may-see-0123456789"


def test_every_setting_is_there_once_with_its_default() -> None:
    lines, unknown = list_settings({})
    assert [line.name for line in lines] == [variable(name) for name in Settings.model_fields]
    assert {line.origin for line in lines} == {"default"}
    assert unknown == ()
    by_name = {line.name: line for line in lines}
    assert by_name["GATEWAY_HEARTBEAT_INTERVAL"][1:4] == ("30", "s", "default")
    assert by_name["GATEWAY_PORT"][1:4] == ("8001", "", "default")
    assert by_name["GATEWAY_TRUSTED_PROXIES"].value == ""


def test_where_a_value_is_from(tmp_path: Path) -> None:
    file = tmp_path / "jwt"
    file.write_text(SECRET)
    lines, unknown = list_settings(
        {
            "GATEWAY_JWT_SECRET_FILE": str(file),
            "gateway_port": "9000",
            "GATEWAY_ALLOWED_ORIGINS": "https://a.example, https://b.example",
            "GATEWAY_DRAIN_SECONDS": "",
            "GATEWAY_PROT": "1",
        }
    )
    found = {line.name: (line.value, line.origin) for line in lines if line.origin != "default"}
    assert found == {
        "GATEWAY_JWT_SECRET": (f"(hidden, {len(SECRET)} bytes)", f"file {file}"),
        "GATEWAY_PORT": ("9000", "environment"),
        "GATEWAY_ALLOWED_ORIGINS": ("https://a.example,https://b.example", "environment"),
    }
    assert unknown == ("GATEWAY_PROT is not a setting: did you mean GATEWAY_PORT?",)


def test_no_setting_that_may_hold_a_secret_shows_it() -> None:
    values = {
        variable(name): f"old:{SECRET},new:{SECRET}" if name.endswith(("secrets", "keys")) else SECRET
        for name, field in Settings.model_fields.items()
        if note_of(field).secret
    } | {"GATEWAY_REDIS_URL": f"rediss+sentinel://gateway:{SECRET}@s:26379/m?sentinel_password={SECRET}"}
    assert len(values) >= 6
    lines, _ = list_settings(values)
    assert SECRET not in repr(lines)
    shown = {line.name: line.value for line in lines}
    assert shown["GATEWAY_JWT_SECRETS"] == f"old:(hidden, {len(SECRET)} bytes),new:(hidden, {len(SECRET)} bytes)"
    assert shown["GATEWAY_REDIS_URL"].startswith("rediss+sentinel://gateway:***@s:26379/m?")


def test_what_is_malformed_is_said() -> None:
    with pytest.raises(SettingsError, match="GATEWAY_PORT"):
        list_settings({"GATEWAY_PORT": "x"})
