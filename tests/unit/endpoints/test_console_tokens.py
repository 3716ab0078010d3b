"""The console's tokens are those that the gateway verifies, and nothing else is made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.auth.jwt import JwtVerifier
from gateway.auth.table_token import TableTokenVerifier
from gateway.endpoints.console.token_maker import TokenMaker
from gateway.errors import TokenError
from tests.support.clock import FakeClock

SECRET = "a secret of the tests, of thirty-two bytes or more"
STAFF = {"kind": "staff", "tenant": 7, "user": "boss", "branches": [5, 6], "role": "ADMIN"}
TABLE = {"kind": "table", "tenant": 7, "branch": 5, "table": 42, "session": 77}


def make(wanted: Any, *, longest: int = 86_400) -> dict[str, Any]:
    keys = {None: SECRET}
    return TokenMaker(keys, keys, FakeClock(), longest=longest).make(json.dumps(wanted).encode())


def test_a_token_for_staff_is_one() -> None:
    made = make({**STAFF, "sectors": [1, 2]})
    identity = JwtVerifier({None: SECRET}, 86_400, FakeClock()).verify(made["token"])
    assert (identity.tenant, identity.subject, identity.branches, identity.sectors) == (7, "boss", (5, 6), (1, 2))
    assert (made["path"], made["expires_in"]) == ("/ws/admin?token=", 3600)


def test_without_sectors_they_are_looked_up() -> None:
    identity = JwtVerifier({None: SECRET}, 86_400, FakeClock()).verify(make({**STAFF, "role": "WAITER"})["token"])
    assert identity.sectors is None


def test_a_table_token_is_one() -> None:
    made = make(TABLE, longest=60)
    identity = TableTokenVerifier({None: SECRET}, 86_400, FakeClock()).verify(made["token"])
    assert (identity.tenant, identity.branches, identity.session) == (7, (5,), 77)
    assert (made["path"], made["expires_in"]) == ("/ws/diner?table_token=", 60)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        [],
        {**STAFF, "kind": "other"},
        {**STAFF, "tenant": 0},
        {**STAFF, "tenant": True},
        {**STAFF, "user": "a b"},
        {**STAFF, "user": "x" * 65},
        {**STAFF, "branches": []},
        {**STAFF, "branches": [2**53]},
        {**STAFF, "branches": list(range(1, 300))},
        {**STAFF, "role": "OWNER"},
        {**STAFF, "exp": 99},
        {**TABLE, "session": "77"},
        {name: value for name, value in TABLE.items() if name != "table"},
    ],
)
def test_what_no_verifier_would_take_is_refused(wanted: Any) -> None:
    with pytest.raises(ValueError, match="no token can be made of this"):
        make(wanted)


def test_without_a_key_it_says_which_setting_is_missing() -> None:
    maker = TokenMaker({}, {}, FakeClock(), longest=0)
    with pytest.raises(TokenError, match="GATEWAY_JWT_SECRET"):
        maker.make(json.dumps(STAFF).encode())
