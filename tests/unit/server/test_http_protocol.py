from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import h11
import httptools
import pytest

from gateway.server.http_protocol import let_go, tail_of_head
from tests.support.raw_websocket import request


def test_the_tail_is_found_with_h11() -> None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(request("/") + b"tail")
    assert isinstance(connection.next_event(), h11.Request)
    assert tail_of_head(SimpleNamespace(conn=connection)) == b"tail"


@pytest.mark.parametrize("cut", [0, 30])
def test_the_tail_is_found_with_httptools(cut: int) -> None:
    head = request("/")

    class Parser:
        """As uvicorn's protocol: the exception is handled where `data` is a local variable."""

        def __init__(self) -> None:
            self.parser = httptools.HttpRequestParser(self)
            self.found: bytes | None = None

        def data_received(self, data: bytes) -> None:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade:
                self.found = tail_of_head(self)

    parser = Parser()
    if cut:
        parser.data_received(head[:cut])
    parser.data_received(head[cut:] + b"tail")
    assert parser.found == b"tail"


@pytest.mark.parametrize(
    "conn", [None, object(), SimpleNamespace(trailing_data=None), SimpleNamespace(trailing_data=())]
)
def test_a_parser_without_a_way_to_its_tail_has_none(conn: object) -> None:
    assert tail_of_head(SimpleNamespace(conn=conn)) == b""
    assert tail_of_head(object()) == b""


def test_another_exception_in_hand_is_not_taken_for_the_parsers() -> None:
    data = b"not a number"
    try:
        int(data)
    except ValueError:
        assert tail_of_head(object()) == b""
    else:
        raise AssertionError


def test_who_is_let_go_needs_no_garbage_collector() -> None:
    class Protocol:
        def __init__(self) -> None:
            self.parser = httptools.HttpRequestParser(self)

        def on_url(self, url: bytes) -> None: ...

    protocol = Protocol()
    gone = weakref.ref(protocol)
    gc.disable()
    try:
        let_go(protocol)
        del protocol
        assert gone() is None
    finally:
        gc.enable()


def test_who_has_no_parser_is_left_alone() -> None:
    protocol = SimpleNamespace(conn=1)
    let_go(protocol)
    let_go(object())
    assert protocol == SimpleNamespace(conn=1)
