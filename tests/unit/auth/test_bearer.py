from __future__ import annotations

import pytest

from gateway.auth.bearer import token_from, token_of_header

NOTHING = (None, None)


@pytest.mark.parametrize(
    ("query", "subprotocols", "found"),
    [
        (None, [], NOTHING),
        ("", [], NOTHING),
        ("q", [], ("q", None)),
        (None, ["bearer", "s"], ("s", "bearer")),
        ("q", ["bearer", "s"], ("s", "bearer")),
        ("q", ("json", "bearer", "s", "x"), ("s", "bearer")),
        (None, ["bearer"], NOTHING),
        ("q", ["bearer"], ("q", None)),
        ("q", ["s", "bearer"], ("q", None)),
        (None, ["bearer", ""], NOTHING),
        (None, ["Bearer", "s"], NOTHING),
        (None, ["json"], NOTHING),
        ("q", ["json", "v1"], ("q", None)),
    ],
)
def test_where_the_token_is_taken_from(query, subprotocols, found) -> None:
    assert token_from(query, subprotocols) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("", None),
        ("Bearer t", "t"),
        ("bearer   t ", "t"),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("Basic t", None),
        ("t", None),
    ],
)
def test_the_header_of_a_request(header: str | None, found: str | None) -> None:
    assert token_of_header(header) == found
