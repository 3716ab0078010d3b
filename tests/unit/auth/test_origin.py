from __future__ import annotations

import pytest

from gateway.auth.origin import OriginPolicy
from gateway.errors import SettingsError

POLICY = OriginPolicy(
    ["https://App.Example.com", "http://localhost:3000", "https://[::1]:8443", "capacitor://localhost"]
)


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "https://app.example.com",
        "https://app.example.com:443",
        "HTTPS://APP.EXAMPLE.COM",
        "http://localhost:3000",
        "https://[::1]:8443",
        "capacitor://localhost",
    ],
)
def test_listed_origins_and_no_origin_are_admitted(origin: str | None) -> None:
    assert POLICY.allows(origin)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "http://app.example.com",
        "https://app.example.com:80",
        "https://app.example.com:8443",
        "https://app.example.com.",
        "https://app.example.com/",
        "https://app.example.com.evil.org",
        "https://evil.org/https://app.example.com",
        "https://evil.org#https://app.example.com",
        "https://evil.org?https://app.example.com",
        "https://evil-app.example.com",
        "https://xapp.example.com",
        "https://example.com",
        "https://sub.app.example.com",
        "https://app.example.com@evil.org",
        "https://evil.org@app.example.com",
        "https://app.example.com evil.org",
        "https://app.example.com, https://evil.org",
        "https://evil.org https://app.example.com",
        "https://app.example.com\n",
        "https://app.example.com\x00",
        " https://app.example.com",
        "https:\\\\app.example.com",
        "https:app.example.com",
        "//app.example.com",
        "app.example.com",
        "https://app.example.com:",
        "https://app.example.com:0443x",
        "https://app.example.com:99999",
        "https://app.example.com:-443",
        "https://app%2eexample.com",
        "https://app\uff0eexample.com",
        "https://app.e\u212aample.com",
        "http://localhost",
        "http://localhost:3001",
        "http://127.0.0.1:3000",
        "file://",
    ],
)
def test_everybody_else_is_not(origin: str) -> None:
    assert not POLICY.allows(origin)


def test_a_character_that_becomes_ascii_in_lower_case_is_no_trick() -> None:
    assert "https://\u212ait.example.com".lower() == "https://kit.example.com"
    assert not OriginPolicy(["https://kit.example.com"]).allows("https://\u212ait.example.com")


@pytest.mark.parametrize("origin", [None, "null", "https://anything.example", "nonsense"])
def test_any_is_any(origin: str | None) -> None:
    assert OriginPolicy([], allow_any=True).allows(origin)


def test_an_empty_list_admits_no_browser() -> None:
    policy = OriginPolicy([])
    assert policy.allows(None)
    assert not policy.allows("https://app.example.com")


@pytest.mark.parametrize(
    "entry",
    [
        "*",
        "null",
        "",
        "app.example.com",
        "https://*.example.com",
        "https://a.example/",
        "https://a.example/x",
        "https://u@a.example",
        "https://a.example:0",
        "https://a.example:70000",
        "https://ä.example",
        "https://",
    ],
)
def test_an_entry_that_is_no_origin_is_a_settings_error(entry: str) -> None:
    with pytest.raises(SettingsError, match="GATEWAY_ALLOWED_ORIGINS"):
        OriginPolicy(["https://good.example", entry])
