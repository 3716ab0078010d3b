from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import h11
import httptools
import pytest

from gateway.server.early_bytes import MAX_EARLY_BYTES, EarlyBytes, tail_of_head
from tests.support.fake_transport import FakeTransport
from tests.support.raw_websocket import request


@pytest.fixture
def transport() -> Iterator[FakeTransport]:
    made = FakeTransport()
    yield made
    made.dispose()


def test_bytes_are_given_once_and_in_order(transport: FakeTransport) -> None:
    early = EarlyBytes(transport, b"one ")
    early.add(b"two")
    assert early.take() == b"one two"
    assert early.take() == b""
    assert transport.reading


def test_above_the_bound_the_client_is_not_read(transport: FakeTransport) -> None:
    early = EarlyBytes(transport, b"x" * MAX_EARLY_BYTES)
    assert transport.reading
    early.add(b"y")
    assert not transport.reading
    early.resume()
    assert transport.reading
    assert len(early.take()) == MAX_EARLY_BYTES + 1


def test_a_tail_above_the_bound_stops_reading_at_once(transport: FakeTransport) -> None:
    EarlyBytes(transport, b"x" * (MAX_EARLY_BYTES + 1))
    assert not transport.reading


def test_who_did_not_stop_does_not_start(transport: FakeTransport) -> None:
    transport.pause_reading()
    EarlyBytes(transport).resume()
    assert not transport.reading


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
