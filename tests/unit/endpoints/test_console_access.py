"""Who may open the console, by which key and from which page."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import HTTPConnection

from gateway.endpoints.api.keys import ApiKeys, Scope
from gateway.endpoints.console.access import Access, access_of, holder_from, is_own_page, key_from

READING = "a key that may read and nothing else"
KEY = "an operator's key: with = / + and ñ"


def connection(
    host: str = "localhost:8001", client: str = "127.0.0.1", protocols: tuple[str, ...] = (), **headers: str
) -> HTTPConnection:
    given = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return HTTPConnection(
        {
            "type": "websocket",
            "scheme": "ws",
            "path": "/ws/console",
            "query_string": b"key=in-the-url&token=too",
            "client": (client, 5000),
            "server": ("127.0.0.1", 8001),
            "subprotocols": list(protocols),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
        }
    )


def edge(key: str | None = None, *, development: bool = True) -> Any:
    keys = ApiKeys({Scope.READ: {"dashboard": READING}} if key else {}, key)
    return SimpleNamespace(api=SimpleNamespace(keys=keys), development=development)


def admits(gateway: Any, asking: HTTPConnection, given: str | None) -> bool:
    return holder_from(gateway, asking, given) is not None


def test_a_key_that_is_set_is_asked_of_everybody() -> None:
    assert access_of(edge(KEY), connection()) is Access.KEY
    assert admits(edge(KEY), connection(), KEY)
    for wrong in (None, "", KEY[:-1], KEY + "x", "\ud800"):
        assert not admits(edge(KEY), connection(), wrong)


def test_a_key_is_good_for_its_scopes() -> None:
    everything = holder_from(edge(KEY), connection(), KEY)
    reading = holder_from(edge(KEY), connection(), READING)
    assert everything is not None
    assert everything.scopes == set(Scope)
    assert reading is not None
    assert reading.scopes == {Scope.READ}


def test_without_a_key_a_developers_own_machine_is_let_in() -> None:
    for host in ("localhost", "127.0.0.1:8001", "[::1]:8001"):
        assert access_of(edge(), connection(host)) is Access.OPEN
    assert admits(edge(), connection(), None)


@pytest.mark.parametrize(
    "other",
    [
        connection(client="192.0.2.7"),
        connection(x_forwarded_for="127.0.0.1"),
        # DNS rebinding: the page's own name leads to this machine.
        connection("evil.example:8001"),
    ],
)
def test_without_a_key_everybody_else_is_not(other: HTTPConnection) -> None:
    assert access_of(edge(), other) is Access.CLOSED
    assert not admits(edge(), other, None)
    assert not admits(edge(), other, KEY)


def test_in_production_nobody_is_let_in_without_a_key() -> None:
    assert access_of(edge(development=False), connection()) is Access.CLOSED
    assert not admits(edge(development=False), connection(), None)


def test_a_key_comes_in_a_header_or_as_a_subprotocol_and_never_in_the_url() -> None:
    written = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    assert key_from(connection()) == (None, None)
    assert key_from(connection(authorization="Bearer plain")) == ("plain", None)
    assert key_from(connection(protocols=("bearer", "plain"))) == ("plain", "bearer")
    assert key_from(connection(protocols=("bearer-base64url", written))) == (KEY, "bearer-base64url")


def test_a_key_that_is_no_base64url_is_a_wrong_one() -> None:
    bearer = key_from(connection(protocols=("bearer-base64url", "n%t")))
    assert not admits(edge(KEY), connection(), bearer.token)
    bearer = key_from(connection(protocols=("bearer-base64url", "_w")))  # no UTF-8
    assert bearer == ("", "bearer-base64url")


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://localhost:8001", True),
        ("https://LOCALHOST:8001", True),
        ("http://localhost", False),
        ("http://localhost:8001.evil.example", False),
        ("https://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_a_browser_may_come_from_the_consoles_own_page_alone(origin: str, own: bool) -> None:
    assert is_own_page(connection(origin=origin)) is own


def test_who_is_no_browser_has_no_page() -> None:
    assert is_own_page(connection())
