from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import EventRefusedError
from gateway.protocol.events import MAX_EVENT_BYTES, DropReason, parse_event
from gateway.types import MAX_ID, Room

GOOD: dict[str, Any] = {"type": "ROUND_READY", "tenant_id": 1, "branch_id": 5}


def refused(payload: bytes) -> str:
    with pytest.raises(EventRefusedError) as error:
        parse_event(payload)
    return error.value.reason


def test_an_event_keeps_its_bytes() -> None:
    payload = b' {"type" : "X","tenant_id":7,"branch_id":5,"sector_id":9,"note":"\xc3\xb1", "session_id":77}\n'
    event = parse_event(payload)
    assert event.payload == payload
    assert (event.type, event.room, event.session_id, event.sector_id) == ("X", Room(7, 5), 77, 9)
    assert (event.tenant_id, event.branch_id) == (7, 5)


def test_null_is_an_absent_optional_id() -> None:
    event = parse_event(json.dumps(GOOD | {"session_id": None, "sector_id": None}).encode())
    assert (event.session_id, event.sector_id) == (None, None)


@pytest.mark.parametrize("name", ["tenant_id", "branch_id", "session_id", "sector_id"])
@pytest.mark.parametrize("value", [0, -1, MAX_ID + 1, 10**40, True, False, 1.0, 1.5, "1", [], {}, "x"])
def test_ids_are_strict_integers(name: str, value: object) -> None:
    assert refused(json.dumps(GOOD | {name: value}).encode()) == DropReason.BAD_SHAPE


@pytest.mark.parametrize("name", ["type", "tenant_id", "branch_id"])
def test_mandatory_members_are_mandatory(name: str) -> None:
    assert refused(json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()) == "bad_shape"
    assert refused(json.dumps(GOOD | {name: None}).encode()) == "bad_shape"


@pytest.mark.parametrize("kind", ["", "x" * 129, 5])
def test_a_type_is_a_short_string(kind: object) -> None:
    assert refused(json.dumps(GOOD | {"type": kind}).encode()) == "bad_shape"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"type":"X","tenant_id":1,"branch_id":5,}',
        b'{"type":"X","tenant_id":1,"branch_id":5} {}',
        b'{"type":"X","tenant_id":1,"branch_id":5,"n":NaN}',
        b'{"type":"X","tenant_id":01,"branch_id":5}',
        b'{"type":"X","tenant_id":1,"branch_id":5,"s":"\xff"}',
        b'{"type":"X","tenant_id":1,"branch_id":5,"s":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"type":"X","tenant_id":1,"branch_id":5}',
        b'{"type":"X","tenant_id":1,"branch_id":5,"n":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_what_is_not_json_is_refused_as_such(payload: bytes) -> None:
    assert refused(payload) == DropReason.BAD_JSON


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"x"', b"null", b"true"])
def test_what_is_no_object_has_no_shape(payload: bytes) -> None:
    assert refused(payload) == DropReason.BAD_SHAPE


def test_the_limit_is_in_bytes_and_inclusive() -> None:
    def of_size(size: int) -> bytes:
        head = json.dumps(GOOD)[:-1] + ',"x":"'
        return (head + "y" * (size - len(head) - 2) + '"}').encode()

    assert len(parse_event(of_size(MAX_EVENT_BYTES)).payload) == MAX_EVENT_BYTES
    assert refused(of_size(MAX_EVENT_BYTES + 1)) == DropReason.TOO_BIG


@pytest.mark.parametrize("name", ["event_id", "position", "\\u0065vent_id", "posi\\u0074ion"])
@pytest.mark.parametrize("value", ["null", '"1-1"', "[]"])
def test_the_gateways_own_members_are_refused_however_they_are_spelled(name: str, value: str) -> None:
    payload = f'{{"type":"X","tenant_id":1,"branch_id":5,"{name}":{value}}}'.encode()
    assert refused(payload) == DropReason.RESERVED_MEMBER


def test_of_a_member_that_stands_twice_the_last_counts_as_it_does_for_clients() -> None:
    assert parse_event(b'{"type":"X","tenant_id":1,"branch_id":5,"tenant_id":2}').room == Room(2, 5)


def test_the_error_says_what_was_wrong_and_where() -> None:
    with pytest.raises(EventRefusedError, match=r"bad_shape.*tenant_id"):
        parse_event(json.dumps(GOOD | {"tenant_id": "1"}).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_a_documented_reason(payload: bytes) -> None:
    try:
        parse_event(payload)
    except EventRefusedError as error:
        assert error.reason in set(DropReason)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "tenant_id", "branch_id", "session_id", "sector_id", "position", "x"]), _json
    )
)
def test_any_object_is_an_event_or_a_documented_reason(members: dict[str, Any]) -> None:
    payload = json.dumps(members).encode()
    try:
        event = parse_event(payload)
    except EventRefusedError as error:
        assert error.reason in set(DropReason)
    else:
        assert event.room == Room(members["tenant_id"], members["branch_id"])
        assert not {"position", "event_id"} & members.keys()
