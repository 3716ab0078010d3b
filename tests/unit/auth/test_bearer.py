from __future__ import annotations

import pytest

from gateway.auth.bearer import token_from

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
