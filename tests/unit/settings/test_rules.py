from __future__ import annotations

import resource
from typing import Any

import pytest

from gateway.errors import SettingsError
from gateway.settings import (
    DESCRIPTOR_RESERVE,
    DEVELOPMENT_SECRET,
    MIN_SECRET_BYTES,
    Settings,
    connection_ceiling,
)

LONG = "x" * MIN_SECRET_BYTES
PRODUCTION = {
    "GATEWAY_ENVIRONMENT": "production",
    "GATEWAY_JWT_SECRET": LONG,
    "GATEWAY_TABLE_TOKEN_SECRET": LONG,
    "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com",
    "GATEWAY_OPERATOR_KEY": LONG,
    "GATEWAY_REDIS_URL": "redis://redis.example",
    "GATEWAY_HOST": "0.0.0.0",
}


def problems(environ: dict[str, str], **changes: str | None) -> list[str]:
    changed = {name: value for name, value in (environ | changes).items() if value is not None}
    with pytest.raises(SettingsError) as caught:
        Settings.load(changed)
    return str(caught.value).splitlines()


def limit(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))


def test_good_production_settings_start_without_a_warning() -> None:
    assert Settings.load(PRODUCTION).warnings == ()


@pytest.mark.parametrize("name", ["GATEWAY_JWT_SECRET", "GATEWAY_TABLE_TOKEN_SECRET"])
def test_production_needs_secrets(name: str) -> None:
    (sentence,) = problems(PRODUCTION, **{name: None})
    assert sentence.startswith(f"{name} is missing")
    assert "openssl" in sentence
    Settings.load({**PRODUCTION, name: "", f"{name}S": f"k1:{LONG}"})


SECRETS = {
    "GATEWAY_JWT_SECRET": "{}",
    "GATEWAY_JWT_SECRETS": "k1:{}",
    "GATEWAY_TABLE_TOKEN_SECRET": "{}",
    "GATEWAY_TABLE_TOKEN_SECRETS": "k1:{}",
    "GATEWAY_OPERATOR_KEY": "{}",
}


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(("secret", "fault"), [(LONG[1:], "has 31 bytes"), (DEVELOPMENT_SECRET, "development secret")])
def test_production_refuses_weak_and_development_secrets(name: str, secret: str, fault: str) -> None:
    (sentence,) = problems(PRODUCTION, **{name: SECRETS[name].format(secret)})
    assert sentence.startswith(name)
    assert fault in sentence
    assert secret not in sentence


def test_a_secrets_length_is_in_bytes() -> None:
    Settings.load({**PRODUCTION, "GATEWAY_JWT_SECRET": "ä" * 16})


def test_production_needs_origins() -> None:
    (sentence,) = problems(PRODUCTION, GATEWAY_ALLOWED_ORIGINS=None)
    assert sentence.startswith("GATEWAY_ALLOWED_ORIGINS is empty")


def test_all_that_production_lacks_is_told_at_once() -> None:
    assert [line.split(" ")[0] for line in problems({"GATEWAY_ENVIRONMENT": "production"})] == [
        "GATEWAY_JWT_SECRET",
        "GATEWAY_TABLE_TOKEN_SECRET",
        "GATEWAY_ALLOWED_ORIGINS",
    ]


def test_settings_made_in_code_are_held_to_the_same_rules() -> None:
    with pytest.raises(SettingsError, match="GATEWAY_JWT_SECRET is missing"):
        Settings(environment="production")


def test_production_warns_of_a_missing_operator_key_and_of_the_embedded_server() -> None:
    environ = {name: value for name, value in PRODUCTION.items() if "OPERATOR" not in name and "REDIS" not in name}
    first, second = Settings.load(environ).warnings
    assert first.startswith("GATEWAY_OPERATOR_KEY is not set")
    assert second.startswith("GATEWAY_REDIS_URL is empty")


def test_the_development_secret_is_warned_about() -> None:
    (sentence,) = Settings.load({}).warnings
    assert "GATEWAY_JWT_SECRET and GATEWAY_TABLE_TOKEN_SECRET" in sentence
    (sentence,) = Settings.load({"GATEWAY_JWT_SECRET": LONG}).warnings
    assert sentence.startswith("GATEWAY_TABLE_TOKEN_SECRET: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_development_secret_may_listen_on_loopback(host: str) -> None:
    assert Settings.load({"GATEWAY_HOST": host}).host == host


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "gateway.example", "localhost.evil.org", "::ffff:1.2.3.4"]
)
@pytest.mark.parametrize(
    "secrets",
    [{}, {"GATEWAY_JWT_SECRET": LONG}, {"GATEWAY_JWT_SECRET": DEVELOPMENT_SECRET, "GATEWAY_TABLE_TOKEN_SECRET": LONG}],
)
def test_the_development_secret_may_listen_nowhere_else(host: str, secrets: dict[str, str]) -> None:
    (sentence,) = problems({"GATEWAY_HOST": host, **secrets})
    assert "loopback only" in sentence
    assert repr(host) in sentence


def test_with_secrets_of_ones_own_development_may_listen_anywhere() -> None:
    secrets = {"GATEWAY_JWT_SECRET": LONG, "GATEWAY_TABLE_TOKEN_SECRETS": f"k1:{LONG}"}
    assert Settings.load({"GATEWAY_HOST": "0.0.0.0", **secrets}).warnings == ()


def test_a_weak_secret_is_warned_about_in_development() -> None:
    secrets = {"GATEWAY_JWT_SECRET": "weak", "GATEWAY_TABLE_TOKEN_SECRETS": f"k1:feeble,k2:{LONG}"}
    assert [sentence.split(" has ")[0] for sentence in Settings.load(secrets).warnings] == [
        "GATEWAY_JWT_SECRET",
        "GATEWAY_TABLE_TOKEN_SECRETS (kid k1)",
    ]


def test_the_pure_core_owns_no_sockets() -> None:
    (sentence,) = problems({"GATEWAY_SOCKETS": "native", "GATEWAY_FANOUT": "pure"})
    assert "the pure core owns no sockets" in sentence


@pytest.mark.parametrize(
    ("values", "reactors"),
    [
        ({}, 2),
        ({"GATEWAY_BROADCAST_WORKERS": "1"}, 1),
        ({"GATEWAY_SOCKETS": "asgi"}, 0),
        ({"GATEWAY_FANOUT": "pure"}, 0),
        ({"GATEWAY_FANOUT": "native"}, 2),
    ],
)
def test_reactors_are_as_many_as_workers_but_not_more_than_processors(
    values: dict[str, str], reactors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    assert Settings.load(values).reactors == reactors


def test_a_timeout_below_the_interval_is_refused() -> None:
    (sentence,) = problems({"GATEWAY_HEARTBEAT_TIMEOUT": "29.9"})
    assert sentence.startswith("GATEWAY_HEARTBEAT_TIMEOUT is 29.9, below GATEWAY_HEARTBEAT_INTERVAL (30)")
    Settings.load({"GATEWAY_HEARTBEAT_TIMEOUT": "30"})


# --- the descriptor limit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soft", "configured", "ceiling"),
    [
        (1024, 0, 1024 - DESCRIPTOR_RESERVE),
        (1024, 100, 100),
        (1024, 5000, 1024 - DESCRIPTOR_RESERVE),
        (DESCRIPTOR_RESERVE + 1, 0, 1),
        (resource.RLIM_INFINITY, 0, 1_048_576 - DESCRIPTOR_RESERVE),
        (resource.RLIM_INFINITY, 7, 7),
    ],
)
def test_the_ceiling_is_the_setting_or_what_the_limit_leaves(
    monkeypatch: pytest.MonkeyPatch, soft: int, configured: int, ceiling: int
) -> None:
    limit(monkeypatch, soft)
    assert connection_ceiling(Settings(max_connections=configured)) == ceiling


def test_a_limit_that_leaves_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, DESCRIPTOR_RESERVE)
    with pytest.raises(SettingsError, match="ulimit -n"):
        connection_ceiling(Settings())


def test_more_connections_than_descriptors_are_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, 1024)
    secrets: dict[str, Any] = {"jwt_secret": LONG, "table_token_secret": LONG}
    assert Settings(max_connections=896, **secrets).warnings == ()
    (sentence,) = Settings(max_connections=897, **secrets).warnings
    assert sentence.startswith("GATEWAY_MAX_CONNECTIONS is 897, but the descriptor limit leaves 896")


def test_with_issuers_no_secret_is_needed_and_the_development_secret_signs_nothing() -> None:
    environ = {name: value for name, value in PRODUCTION.items() if name != "GATEWAY_JWT_SECRET"}
    settings = Settings.load({**environ, "GATEWAY_ISSUERS_FILE": "issuers.toml"})
    assert settings.jwt_keys == {}
    assert settings.warnings == ()
    development = Settings.load({"GATEWAY_ISSUERS_FILE": "issuers.toml"})
    assert development.jwt_keys == {}
    assert Settings.load({"GATEWAY_ISSUERS_FILE": "x", "GATEWAY_JWT_SECRET": LONG}).jwt_keys == {None: LONG}
