from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.positions import ZERO, entry_id, is_position, parse_id, position_of

halves = st.integers(0, 2**64 - 1)


@given(milliseconds=halves, sequence=halves, payload=st.binary())
def test_a_position_names_its_id_and_its_payload(milliseconds: int, sequence: int, payload: bytes) -> None:
    number = f"{milliseconds}-{sequence}"
    position = position_of(number, payload)
    assert entry_id(position) == number
    assert parse_id(number) == (milliseconds, sequence)
    assert position.endswith("/" + hashlib.sha1(payload).hexdigest()[:8])
    assert is_position(position) == ((milliseconds, sequence) != (0, 0))


def test_ids_compare_as_integers_and_not_as_text() -> None:
    assert parse_id("9-10") > parse_id("9-9")
    assert parse_id("10-0") > parse_id("9-9")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "1",
        "1-",
        "-1",
        "1-1-1",
        "01-0",
        "1-00",
        "+1-0",
        "1 -0",
        "1-0\n",
        "١-0",
        f"{2**64}-0",
        f"0-{2**64}",
        "1-0/",
    ],
)
def test_what_redis_would_not_write_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="not a stream id"):
        parse_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0-0/",
        "0-0/00000000",
        "1-0",
        "1-0/",
        "1-0/1234567",
        "1-0/123456789",
        "1-0/1234567G",
        "1-0/ABCDEF01",
        "1/2",
    ],
)
def test_what_is_no_position(text: str) -> None:
    assert not is_position(text)


def test_the_position_of_a_room_without_events() -> None:
    assert ZERO == "0-0"
    assert is_position(ZERO)
    assert entry_id(ZERO) == "0-0"
