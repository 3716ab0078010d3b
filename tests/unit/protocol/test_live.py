from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.protocol.live import (
    BestEffortEvent,
    CriticalEvent,
    LiveMessage,
    decode_live,
    encode_live,
    split_audiences,
)
from gateway.protocol.positions import ZERO, position_of

audiences = st.lists(
    st.sampled_from(["branch:5:admin", "branch:5:kitchen", "sector:9:waiters", "session:77"]),
    min_size=1,
    max_size=4,
    unique=True,
).map(tuple)
positions = st.builds(
    lambda number, payload: position_of(f"{number}-0", payload), st.integers(1, 2**64 - 1), st.binary()
)
messages = st.builds(BestEffortEvent, audiences, st.binary()) | st.builds(
    CriticalEvent, positions, positions | st.just(ZERO), audiences, st.binary()
)


@given(message=messages)
def test_what_is_encoded_is_decoded(message: LiveMessage) -> None:
    assert decode_live(encode_live(message)) == message


def test_the_format_is_the_one_that_the_relays_script_writes() -> None:
    critical = CriticalEvent(position_of("12-3", b"{}"), ZERO, ("branch:5:admin", "session:7"), b'{\n"a":1}')
    assert encode_live(critical) == b'1 12-3/bf21a9e8 0-0 branch:5:admin,session:7\n{\n"a":1}'
    assert encode_live(BestEffortEvent(("session:7",), b"{}")) == b"1 - - session:7\n{}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"1 1-0/00000000 0-0 session:7",
        b"2 1-0/00000000 0-0 session:7\n{}",
        b"1 1-0/00000000 session:7\n{}",
        b"1 0-0 0-0 session:7\n{}",
        b"1 1-0 0-0 session:7\n{}",
        b"1 1-0/00000000 - session:7\n{}",
        b"1 - 1-0/00000000 session:7\n{}",
        b"1 1-0/00000000 0-0 \n{}",
        b"1 1-0/00000000 0-0 tenant:7\n{}",
        b"1 1-0/00000000 0-0 session:7,\n{}",
        b"1 1-0/00000000 0-0 s\xc3\xa9ssion:7\n{}",
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a live message|positions|not an audience"):
        decode_live(data)


def test_audiences_must_be_audiences() -> None:
    with pytest.raises(ValueError, match="not an audience"):
        split_audiences("")
