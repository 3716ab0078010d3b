"""Where the demo says that its page is."""

from __future__ import annotations

import pytest

from gateway.demo.runner import page_text
from gateway.endpoints.demo import assets
from gateway.settings import Settings

PRODUCTION = {
    "GATEWAY_ENVIRONMENT": "production",
    "GATEWAY_JWT_SECRET": "a" * 32,
    "GATEWAY_TABLE_TOKEN_SECRET": "b" * 32,
    "GATEWAY_ALLOWED_ORIGINS": "https://app.example.com",
}


def test_it_is_at_the_gateways_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "CLIENT", "app.js")
    assert page_text(Settings.load({}), "ws://127.0.0.1:9001") == "In a browser: http://127.0.0.1:9001/demo"


def test_without_its_client_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "CLIENT", "not-built.js")
    assert "run `make clients`" in page_text(Settings.load({}), "ws://127.0.0.1:9001")


def test_in_production_there_is_none() -> None:
    assert page_text(Settings.load(PRODUCTION), "ws://127.0.0.1:9001") == "No page: it is for development."
