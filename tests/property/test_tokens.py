"""Tokens: what is issued verifies to what was asked for, and no changed token ever verifies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import base64url
from gateway.auth.jwt import JwtVerifier, issue_staff_token
from gateway.auth.table_token import TableTokenVerifier, issue_table_token
from gateway.errors import TokenError
from gateway.types import MAX_ID
from tests.support.forge import SECRET, ForgeClock

CLOCK = ForgeClock()
STAFF = JwtVerifier({None: SECRET, "k": SECRET}, 86_400, CLOCK)
TABLE = TableTokenVerifier({None: SECRET, "k": SECRET}, 86_400, CLOCK)

ids = st.integers(1, MAX_ID)
names = st.text("ABCxyz019_-", min_size=1, max_size=64)
kids = st.sampled_from([None, "k"])
lives = st.integers(1, 86_400)


@st.composite
def staff(draw: Any) -> dict[str, Any]:
    return {
        "tenant": draw(ids),
        "user": draw(names),
        "branches": draw(st.lists(ids, min_size=1, max_size=8)),
        "roles": draw(st.lists(st.sampled_from(["WAITER", "KITCHEN", "MANAGER", "ADMIN", "CHEF"]), max_size=4)),
        "sectors": draw(st.none() | st.lists(ids, max_size=8)),
        "expires_in": draw(lives),
        "kid": draw(kids),
    }


@st.composite
def table(draw: Any) -> dict[str, Any]:
    members = {name: draw(ids) for name in ("tenant", "branch", "table", "session")}
    return members | {"diner": draw(st.none() | names), "expires_in": draw(lives), "kid": draw(kids)}


@given(staff())
def test_staff_tokens_say_what_was_asked_for(asked: dict[str, Any]) -> None:
    identity = STAFF.verify(issue_staff_token(SECRET, clock=CLOCK, **asked))
    assert (identity.tenant, identity.subject) == (asked["tenant"], asked["user"])
    assert set(identity.branches) == set(asked["branches"])
    assert len(set(identity.branches)) == len(identity.branches)
    assert identity.roles == set(asked["roles"]) - {"CHEF"}
    assert (identity.sectors is None) == (asked["sectors"] is None)
    assert set(identity.sectors or ()) == set(asked["sectors"] or ())
    assert identity.expires_at - identity.issued_at == asked["expires_in"]


@given(table())
def test_table_tokens_say_what_was_asked_for(asked: dict[str, Any]) -> None:
    identity = TABLE.verify(issue_table_token(SECRET, clock=CLOCK, **asked))
    assert (identity.tenant, identity.branches) == (asked["tenant"], (asked["branch"],))
    assert (identity.table, identity.session, identity.diner) == (asked["table"], asked["session"], asked["diner"])
    assert identity.expires_at - identity.issued_at == asked["expires_in"]


def flip(token: str, bit: int) -> str:
    data = bytearray(token.encode())
    data[bit // 8 % len(data)] ^= 1 << bit % 8
    return data.decode("latin-1")


@given(staff(), st.integers(0, 2**16))
def test_no_staff_token_survives_a_flipped_bit(asked: dict[str, Any], bit: int) -> None:
    with pytest.raises(TokenError):
        STAFF.verify(flip(issue_staff_token(SECRET, clock=CLOCK, **asked), bit))


@given(table(), st.integers(0, 2**16))
def test_no_table_token_survives_a_flipped_bit(asked: dict[str, Any], bit: int) -> None:
    with pytest.raises(TokenError):
        TABLE.verify(flip(issue_table_token(SECRET, clock=CLOCK, **asked), bit))


@given(st.text(max_size=300) | st.from_regex(r"v1\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,44}", fullmatch=True))
def test_no_other_text_is_a_token(text: str) -> None:
    for verifier in (STAFF, TABLE):
        with pytest.raises(TokenError):
            verifier.verify(text)


@given(st.binary(max_size=100))
def test_base64url_comes_back(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


@given(st.text("ABab01-_+/= \n", max_size=12))
def test_whatever_base64url_decodes_it_would_write_the_same(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text
