from __future__ import annotations

import pytest

from gateway.client.address import Address


@pytest.mark.parametrize("url", ["wss://gateway.test", "wss://gateway.test/", "wss://gateway.test//"])
def test_the_endpoint_stands_behind_the_url(url: str) -> None:
    assert Address(url, "waiter").resuming("") == "wss://gateway.test/ws/waiter"


def test_a_prefix_is_kept_and_a_resume_is_escaped() -> None:
    address = Address("ws://127.0.0.1:8001/events", "diner")
    assert address.resuming("5:0-0") == "ws://127.0.0.1:8001/events/ws/diner?resume=5%3A0-0"


@pytest.mark.parametrize("url", ["", "gateway.test", "https://gateway.test", "ws://", "wss:///x"])
def test_what_is_no_url_of_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not the URL of a gateway"):
        Address(url, "waiter")


@pytest.mark.parametrize("url", ["ws://h?token=secret", "ws://h#secret", "ws://secret@h"])
def test_a_url_that_may_hold_a_token_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match="no query, fragment or user") as caught:
        Address(url, "waiter")
    assert "secret" not in str(caught.value)


def test_an_endpoint_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of waiter, kitchen, admin, diner"):
        Address("ws://h", "bar")
