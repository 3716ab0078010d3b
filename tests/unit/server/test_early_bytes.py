from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.server.early_bytes import MAX_EARLY_BYTES, EarlyBytes
from tests.support.fake_transport import FakeTransport


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
