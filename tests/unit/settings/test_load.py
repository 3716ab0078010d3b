from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from gateway.errors import SettingsError
from gateway.settings import DEVELOPMENT_SECRET, Settings

LONG = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"

# Every default of the settings' documentation, in its order.
DEFAULTS: dict[str, Any] = {
    "environment": "development",
    "host": "127.0.0.1",
    "port": 8001,
    "redis_url": "",
    "jwt_secret": None,
    "jwt_secrets": {},
    "table_token_secret": None,
    "table_token_secrets": {},
    "token_max_age": 86_400,
    "token_leeway": 5.0,
    "issuers_file": "",
    "operator_key": None,
    "api_read_keys": {},
    "api_publish_keys": {},
    "api_operate_keys": {},
    "api_event_rate": 5000.0,
    "api_event_rate_per_tenant": 0.0,
    "allowed_origins": (),
    "routing_file": "",
    "fanout": "auto",
    "sockets": "native",
    "pubsub": "exact",
    "broadcast_workers": 10,
    "broadcast_queue": 5000,
    "max_connections": 0,
    "max_connections_per_user": 3,
    "max_connections_per_session": 20,
    "max_connections_per_tenant": 0,
    "message_rate": 20,
    "max_message_bytes": 65_536,
    "heartbeat_interval": 30.0,
    "heartbeat_timeout": 60.0,
    "jwt_revalidation_interval": 300.0,
    "table_token_revalidation_interval": 1800.0,
    "history_events": 1000,
    "history_ttl": 3600,
    "head_ttl": 604_800,
    "relay_lease": 10.0,
    "dlq_tries": 3,
    "drain_seconds": 5.0,
    "staff_reserve": 5.0,
    "join_rate": 500.0,
    "attempt_rate": 20.0,
    "attempt_rate_per_tenant": 0.0,
    "event_rate_per_tenant": 0.0,
    "trusted_proxies": (),
    "breaker_failures": 5,
    "breaker_open": 30.0,
    "breaker_trials": 3,
    "drop_alert_share": 5.0,
    "drop_alert_window": 60.0,
    "drop_alert_every": 300.0,
    "tracing": "off",
}


def problem(environ: dict[str, str], **overrides: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ, **overrides)
    return str(caught.value)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.load({}).model_dump() == DEFAULTS


def test_every_setting_is_read_from_its_variable() -> None:
    values = {
        "GATEWAY_ENVIRONMENT": "production",
        "GATEWAY_HOST": "0.0.0.0",
        "GATEWAY_PORT": "9000",
        "GATEWAY_REDIS_URL": "rediss://u:p@redis.example:6380/1",
        "GATEWAY_JWT_SECRET": LONG,
        "GATEWAY_JWT_SECRETS": f"k1:{OTHER}, k2:{LONG}:with:colons,",
        "GATEWAY_TABLE_TOKEN_SECRET": OTHER,
        "GATEWAY_TABLE_TOKEN_SECRETS": f"k3:{LONG}",
        "GATEWAY_TOKEN_MAX_AGE": "3600",
        "GATEWAY_TOKEN_LEEWAY": "2",
        "GATEWAY_ISSUERS_FILE": "issuers.toml",
        "GATEWAY_OPERATOR_KEY": LONG,
        "GATEWAY_API_READ_KEYS": f"a:{LONG}",
        "GATEWAY_API_PUBLISH_KEYS": f"b:{LONG}",
        "GATEWAY_API_OPERATE_KEYS": f"c:{LONG}",
        "GATEWAY_API_EVENT_RATE": "11",
        "GATEWAY_API_EVENT_RATE_PER_TENANT": "12",
        "GATEWAY_ALLOWED_ORIGINS": "https://a.example, https://b.example,",
        "GATEWAY_ROUTING_FILE": "/etc/gateway/routing.toml",
        "GATEWAY_FANOUT": "pure",
        "GATEWAY_SOCKETS": "asgi",
        "GATEWAY_PUBSUB": "patterns",
        "GATEWAY_BROADCAST_WORKERS": "4",
        "GATEWAY_BROADCAST_QUEUE": "100",
        "GATEWAY_MAX_CONNECTIONS": "1",
        "GATEWAY_MAX_CONNECTIONS_PER_USER": "0",
        "GATEWAY_MAX_CONNECTIONS_PER_SESSION": "5",
        "GATEWAY_MAX_CONNECTIONS_PER_TENANT": "6",
        "GATEWAY_STAFF_RESERVE": "6",
        "GATEWAY_JOIN_RATE": "7",
        "GATEWAY_ATTEMPT_RATE": "8",
        "GATEWAY_ATTEMPT_RATE_PER_TENANT": "9",
        "GATEWAY_EVENT_RATE_PER_TENANT": "10",
        "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::7",
        "GATEWAY_MESSAGE_RATE": "7",
        "GATEWAY_MAX_MESSAGE_BYTES": "1024",
        "GATEWAY_HEARTBEAT_INTERVAL": "0.5",
        "GATEWAY_HEARTBEAT_TIMEOUT": "1.5",
        "GATEWAY_JWT_REVALIDATION_INTERVAL": "2",
        "GATEWAY_TABLE_TOKEN_REVALIDATION_INTERVAL": "3",
        "GATEWAY_HISTORY_EVENTS": "10",
        "GATEWAY_HISTORY_TTL": "11",
        "GATEWAY_HEAD_TTL": "12",
        "GATEWAY_RELAY_LEASE": "13",
        "GATEWAY_DLQ_TRIES": "14",
        "GATEWAY_DRAIN_SECONDS": "0",
        "GATEWAY_BREAKER_FAILURES": "15",
        "GATEWAY_BREAKER_OPEN": "16",
        "GATEWAY_BREAKER_TRIALS": "17",
        "GATEWAY_DROP_ALERT_SHARE": "2.5",
        "GATEWAY_DROP_ALERT_WINDOW": "18",
        "GATEWAY_DROP_ALERT_EVERY": "19",
        "GATEWAY_TRACING": "on",
    }
    assert values.keys() == {f"GATEWAY_{name.upper()}" for name in DEFAULTS}
    settings = Settings.load(values)
    changed = {name for name, value in settings.model_dump().items() if value != DEFAULTS[name]}
    assert DEFAULTS.keys() == changed
    assert settings.jwt_keys == {None: LONG, "k1": OTHER, "k2": f"{LONG}:with:colons"}
    assert settings.table_token_keys == {None: OTHER, "k3": LONG}
    assert settings.api_read_keys["a"].get_secret_value() == LONG
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.heartbeat_interval == 0.5
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("2001:db8::7/128"))


@pytest.mark.parametrize("value", [LONG, f"a b:{LONG}", f"a:{LONG},a:{OTHER}", "a:"])
def test_a_malformed_api_key_is_refused_without_being_shown(value: str) -> None:
    found = problem({"GATEWAY_API_READ_KEYS": value})
    assert "GATEWAY_API_READ_KEYS" in found
    assert "name" in found
    assert LONG not in found


def test_a_weak_api_key_is_refused_in_production() -> None:
    found = problem({"GATEWAY_ENVIRONMENT": "production", "GATEWAY_API_OPERATE_KEYS": "support:short"})
    assert "GATEWAY_API_OPERATE_KEYS (support)" in found


@pytest.mark.parametrize("value", ["10.0.0.1/8", "proxy.example", "10.0.0.0/33", "*"])
def test_a_proxy_that_is_no_network_is_refused_with_what_is_expected(value: str) -> None:
    found = problem({"GATEWAY_TRUSTED_PROXIES": value})
    assert "GATEWAY_TRUSTED_PROXIES" in found
    assert "10.0.0.0/8" in found
    assert "\n" not in found


def test_empty_variables_are_not_set() -> None:
    assert Settings.load(dict.fromkeys((f"GATEWAY_{name.upper()}" for name in DEFAULTS), "")).model_dump() == DEFAULTS


def test_overrides_win_and_none_is_no_override() -> None:
    settings = Settings.load({"GATEWAY_PORT": "1", "GATEWAY_HOST": "::1"}, port=2, host=None)
    assert (settings.port, settings.host) == (2, "::1")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load({}).port = 1  # type: ignore[misc]


def test_constructing_settings_does_not_look_at_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "1")
    assert Settings().port == 8001
    assert Settings.load().port == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("ENVIRONMENT", "staging", "one of development, production"),
        ("HOST", None, ""),
        ("PORT", "abc", "a whole number from 0 to 65535"),
        ("PORT", "65536", "a whole number from 0 to 65535"),
        ("PORT", "-1", "a whole number from 0 to 65535"),
        ("PORT", "1.5", "a whole number from 0 to 65535"),
        ("TOKEN_MAX_AGE", "-1", "a whole number of at least 0 (s)"),
        ("FANOUT", "rust", "one of auto, native, pure"),
        ("SOCKETS", "tcp", "one of native, asgi"),
        ("PUBSUB", "all", "one of exact, patterns"),
        ("BROADCAST_WORKERS", "0", "a whole number from 1 to 1000"),
        ("MAX_CONNECTIONS_PER_USER", "-3", "a whole number of at least 0"),
        ("MAX_MESSAGE_BYTES", "0", "a whole number from 1 to 16777216 (B)"),
        ("HEARTBEAT_INTERVAL", "0", "a number above 0 (s)"),
        ("HEARTBEAT_TIMEOUT", "nan", "a number above 0 (s)"),
        ("BREAKER_OPEN", "inf", "a number above 0 (s)"),
        ("DROP_ALERT_SHARE", "101", "a number above 0, at most 100 (%)"),
        ("DROP_ALERT_SHARE", "5 %", "a number above 0, at most 100 (%)"),
    ],
)
def test_a_bad_value_is_an_error_with_name_value_and_expectation(name: str, value: str | None, expected: str) -> None:
    if value is None:
        assert problem({}, host="") == "GATEWAY_HOST is '': expected a host name or an IP address"
    else:
        assert problem({f"GATEWAY_{name}": value}) == f"GATEWAY_{name} is {value!r}: expected {expected}"


def test_every_bad_value_is_named_at_once() -> None:
    text = problem({"GATEWAY_PORT": "x", "GATEWAY_FANOUT": "y", "GATEWAY_JWT_SECRET_FILE": "/does/not/exist"})
    assert [line.split(" ")[0].rstrip(":") for line in text.splitlines()] == [
        "GATEWAY_JWT_SECRET_FILE",
        "GATEWAY_PORT",
        "GATEWAY_FANOUT",
    ]


def test_a_long_bad_value_is_cut() -> None:
    assert len(problem({"GATEWAY_PORT": "9" * 5000})) < 200


def test_an_override_of_no_setting_is_an_error_with_a_suggestion() -> None:
    assert problem({}, prot=1) == "'prot' is not a setting: did you mean 'port'?"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("hunter2hunter2", "entry 1 is not kid:secret"),
        ("k1:good-one,hunter2hunter2", "entry 2 is not kid:secret"),
        ("k1:", "entry 1 is not kid:secret"),
        ("hunter2/hunter2:x", "entry 1 has a bad kid"),
        ("k1:hunter2hunter2,k1:hunter2hunter2", "entry 2 repeats an earlier kid"),
    ],
)
def test_bad_named_secrets_are_described_and_not_shown(value: str, expected: str) -> None:
    text = problem({"GATEWAY_JWT_SECRETS": value})
    assert text.startswith(f"GATEWAY_JWT_SECRETS: {expected}")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@h",
        "redis:",
        "redis://",
        "unix://",
        "hunter2",
        "redis://:hunter2@[::1",
        "redis://:hunter2\uff03@h",
    ],
)
def test_a_bad_redis_url_is_described_and_not_shown(url: str) -> None:
    text = problem({"GATEWAY_REDIS_URL": url})
    assert text.startswith("GATEWAY_REDIS_URL: not a Redis URL: ")
    assert "expected one" in text
    assert text.endswith("or nothing for the embedded server")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://u:p@h:1/2",
        "unix:///run/redis.sock",
        "redis+sentinel://a:1,b:2/main/0",
        "redis+cluster://h:1",
    ],
)
def test_redis_urls_of_all_kinds_are_taken(url: str) -> None:
    assert Settings.load({"GATEWAY_REDIS_URL": url}).redis_url == url


def test_no_secret_is_ever_shown() -> None:
    secret = "hunter2" * 6
    settings = Settings.load(
        {
            "GATEWAY_JWT_SECRET": secret,
            "GATEWAY_JWT_SECRETS": f"k:{secret}",
            "GATEWAY_TABLE_TOKEN_SECRET": secret,
            "GATEWAY_TABLE_TOKEN_SECRETS": f"k:{secret}",
            "GATEWAY_OPERATOR_KEY": secret,
            "GATEWAY_REDIS_URL": f"redis://:{secret}@h",
        }
    )
    assert "hunter2" not in repr(settings) + str(settings) + "".join(settings.warnings)
    assert settings.operator_key is not None
    assert settings.operator_key.get_secret_value() == secret
    with pytest.raises(ValidationError) as caught:
        Settings(jwt_secret=[secret], redis_url=f"http://:{secret}@h", port=secret)  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


# --- files ---------------------------------------------------------------------------------------------------

SECRETS = ("JWT_SECRET", "TABLE_TOKEN_SECRET", "OPERATOR_KEY")


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, name: str, ending: str) -> None:
    (tmp_path / "secret").write_bytes(f" {LONG} ä{ending}".encode())
    settings = Settings.load({f"GATEWAY_{name}_FILE": str(tmp_path / "secret")})
    assert getattr(settings, name.lower()) == SecretStr(f" {LONG} ä")
    assert settings.unknown == ()


def test_named_secrets_and_the_redis_url_may_stand_in_files_too(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"k1:{LONG},k2:{OTHER}\n")
    (tmp_path / "url").write_text("redis://:p@h\n")
    settings = Settings.load(
        {"GATEWAY_JWT_SECRETS_FILE": str(tmp_path / "keys"), "GATEWAY_REDIS_URL_FILE": str(tmp_path / "url")}
    )
    assert settings.jwt_keys == {"k1": LONG, "k2": OTHER}
    assert settings.redis_url == "redis://:p@h"


def test_only_one_newline_is_the_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{LONG}\n\n")
    settings = Settings.load({"GATEWAY_JWT_SECRET_FILE": str(tmp_path / "secret")})
    assert settings.jwt_keys == {None: f"{LONG}\n"}


def test_a_secret_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(LONG)
    text = problem({"GATEWAY_JWT_SECRET": OTHER, "GATEWAY_JWT_SECRET_FILE": str(tmp_path / "secret")})
    assert text == "GATEWAY_JWT_SECRET and GATEWAY_JWT_SECRET_FILE are both set: keep one of them"


def test_an_override_needs_neither(tmp_path: Path) -> None:
    environ = {"GATEWAY_JWT_SECRET": OTHER, "GATEWAY_JWT_SECRET_FILE": str(tmp_path / "missing")}
    assert Settings.load(environ, jwt_secret=LONG).jwt_keys == {None: LONG}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "No such file"),
        (b"", "is empty; expected a secret"),
        (b"\n", "is empty; expected a secret"),
        (b"\xff\xfe", "does not hold UTF-8 text"),
        (b"x" * 65_537, "holds over 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_an_error(tmp_path: Path, content: bytes | None, expected: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    text = problem({"GATEWAY_JWT_SECRET_FILE": str(path), "GATEWAY_ENVIRONMENT": "production"})
    assert text.startswith("GATEWAY_JWT_SECRET_FILE: ")
    assert expected in text
    assert "\n" not in text, "what cannot be read is not said to be missing as well"


@pytest.mark.parametrize("path", ["/", "/etc/passwd/x", "\x00"])
def test_a_path_that_is_no_file_is_an_error(path: str) -> None:
    assert problem({"GATEWAY_OPERATOR_KEY_FILE": path}).startswith("GATEWAY_OPERATOR_KEY_FILE: ")


# --- names nobody knows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("GATEWAY_PROT", "GATEWAY_PROT is not a setting: did you mean GATEWAY_PORT?"),
        (
            "GATEWAY_JWT_SECRET_FILES",
            "GATEWAY_JWT_SECRET_FILES is not a setting: did you mean GATEWAY_JWT_SECRET_FILE?",
        ),
        ("GATEWAY_ZZZ", "GATEWAY_ZZZ is not a setting"),
        ("GATEWAY_UNKNOWN", "GATEWAY_UNKNOWN is not a setting"),
    ],
)
def test_an_unknown_name_is_told_with_a_suggestion_and_without_its_value(name: str, sentence: str) -> None:
    assert Settings.load({name: "hunter2", "PATH": "/bin", "GATEWAYS": "1"}).unknown == (sentence,)


def test_only_secrets_may_stand_in_files() -> None:
    assert Settings.load({"GATEWAY_PORT_FILE": "/x"}).unknown == (
        "GATEWAY_PORT_FILE is not a setting: did you mean GATEWAY_PORT?",
    )


def test_without_secrets_the_development_secret_is_used() -> None:
    settings = Settings.load({})
    assert settings.jwt_keys == settings.table_token_keys == {None: DEVELOPMENT_SECRET}
