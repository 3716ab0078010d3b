"""The URL that `gateway tail` takes."""

from __future__ import annotations

import pytest
import typer

from gateway.cli.websocket_url import checked_url


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("ws://127.0.0.1:8001", "ws://127.0.0.1:8001"),
        ("wss://gateway.example.com/", "wss://gateway.example.com"),
        ("WS://[::1]:8001", "ws://[::1]:8001"),
        ("wss://example.com/realtime/", "wss://example.com/realtime"),
    ],
)
def test_a_gateway_with_or_without_a_prefix(given: str, used: str) -> None:
    assert checked_url(given) == used


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8001",
        "http://127.0.0.1:8001",
        "ws://",
        "ws://host:port",
        "ws://host:99999",
        "ws://[::1",
        "ws://host/ws/kitchen",
        "ws://host/ws",
        "ws://host#x",
    ],
)
def test_anything_else_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"expected ws://host:port or wss://host"):
        checked_url(url)


@pytest.mark.parametrize("url", ["ws://host?token=secret", "ws://me:secret@host"])
def test_a_secret_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        checked_url(url)
    assert "secret" not in str(refused.value)
