"""The splice, on both cores, against a JSON parser: two members more in front, and not a byte changed behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cores import every_core

if TYPE_CHECKING:
    from tests.support.cores import MakeCore

pytestmark = every_core

scalars = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
names = st.text().filter(lambda name: name not in {"event_id", "position"})  # the edge refuses those two
objects = st.dictionaries(names, values, max_size=6)
spaces = st.text(" \t\r\n", max_size=4)
positions = st.from_regex(r"[0-9]{1,14}-[0-9]{1,4}/[0-9a-f]{8}", fullmatch=True)


@given(members=objects, around=st.tuples(spaces, spaces, spaces), ascii_only=st.booleans(), position=positions)
def test_a_spliced_object_parses_to_the_two_members_and_its_own(
    make_core: MakeCore, members: dict[str, object], around: tuple[str, str, str], ascii_only: bool, position: str
) -> None:
    before, inside, after = around
    payload = f"{before}{{{inside}{json.dumps(members, ensure_ascii=ascii_only)[1:]}{after}".encode()
    spliced = make_core().splice(payload, position)
    expected = {"event_id": position.partition("/")[0], "position": position} | json.loads(payload)
    assert json.loads(spliced) == expected
    assert list(json.loads(spliced)) == list(expected), "the two come first"
    assert spliced.startswith(b'{"event_id":"'), "white space in front is not kept"
    assert spliced.endswith(payload[len(before) + 1 :]), "the rest is kept byte for byte"


@given(payload=st.binary(max_size=30), position=st.text(max_size=12))
def test_any_bytes_are_spliced_or_refused(make_core: MakeCore, payload: bytes, position: str) -> None:
    core = make_core()
    id_, slash, hash_ = position.partition("/")
    plain = all("!" <= char <= "~" and char not in '"\\/' for char in id_ + hash_)
    if id_ and slash and hash_ and plain and payload.lstrip(b" \t\r\n").startswith(b"{"):
        head = f'{{"event_id":"{id_}","position":"{position}"'.encode()
        assert core.splice(payload, position).startswith(head)
    else:
        with pytest.raises(ValueError, match=r"expected|surrogates"):
            core.splice(payload, position)


@pytest.mark.parametrize("inside", [b"", b" ", b"\r\n\t "])
def test_an_empty_object_gets_no_comma(make_core: MakeCore, inside: bytes) -> None:
    spliced = make_core().splice(b" {" + inside + b"} ", "17-0/0123abcd")
    assert spliced == b'{"event_id":"17-0","position":"17-0/0123abcd"' + inside + b"} "


@pytest.mark.parametrize("payload", [b"", b" ", b"[]", b"1", b'"{}"', b"null", b"\xef\xbb\xbf{}", b"\x0b{}", b"\xa0{}"])
def test_what_is_no_object_is_refused(make_core: MakeCore, payload: bytes) -> None:
    with pytest.raises(ValueError, match="payload is not a JSON object; expected it to begin with an opening brace"):
        make_core().splice(payload, "1-0/a")


@pytest.mark.parametrize(
    "position", ["", "0-0", "/", "1-0/", "/a", "1-0/a/b", "1 0/a", '1-0/"', "1-0/\\", "1-0/é", "1-0/a\n", "\x7f/a"]
)
def test_a_malformed_position_is_refused(make_core: MakeCore, position: str) -> None:
    with pytest.raises(ValueError, match="position is malformed; expected <id>/<hash>"):
        make_core().splice(b"{}", position)
