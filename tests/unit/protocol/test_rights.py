from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.protocol.rights import (
    Revocation,
    SectorChange,
    encode_revocation,
    parse_revocation,
    parse_sector_change,
)
from gateway.types import MAX_ID

FORMS: list[tuple[dict[str, Any], str, str | None, str]] = [
    ({"jti": "urn:uuid:1"}, "jwt:blacklist:urn:uuid:1", "jti:urn:uuid:1", "token"),
    ({"tenant_id": 7, "user_id": "12"}, "{tenant:7}:revoked:user:12", "user:12", "user"),
    ({"tenant_id": 7, "session_id": 77}, "{tenant:7}:revoked:session:77", "session:77", "session"),
    ({"tenant_id": 7}, "{tenant:7}:revoked:all", None, "tenant"),
]


@pytest.mark.parametrize(("announcement", "key", "identity_key", "scope"), FORMS)
def test_every_form_has_its_key_and_survives_the_wire(
    announcement: dict[str, Any], key: str, identity_key: str | None, scope: str
) -> None:
    revocation = parse_revocation(json.dumps(announcement).encode())
    assert (revocation.key, revocation.identity_key, revocation.scope) == (key, identity_key, scope)
    assert json.loads(encode_revocation(revocation)) == announcement


def test_a_token_wins_and_a_number_is_a_users_digits() -> None:
    assert parse_revocation(b'{"jti":"a","tenant_id":7,"user_id":"1","session_id":2}').key == "jwt:blacklist:a"
    assert parse_revocation(b'{"tenant_id":7,"user_id":12}').key == "{tenant:7}:revoked:user:12"
    assert parse_sector_change(b'{"tenant_id":7,"user_id":12}').user == "12"


def test_members_that_are_not_known_are_ignored() -> None:
    assert parse_revocation(b'{"tenant_id":7,"by":"ana"}') == Revocation(tenant_id=7)
    assert parse_sector_change(b'{"tenant_id":7,"user_id":"12","x":1}') == SectorChange(7, "12")


BAD = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b"\xff",
    b"[" * 10_000,
    b"{}",
    b'{"user_id":"12"}',
    b'{"session_id":77}',
    b'{"tenant_id":0}',
    b'{"tenant_id":-7}',
    b'{"tenant_id":true}',
    b'{"tenant_id":"7"}',
    b'{"tenant_id":7.0}',
    b'{"tenant_id":%d}' % (MAX_ID + 1),
    b'{"tenant_id":1e400}',
    b'{"tenant_id":7,"user_id":"12","session_id":77}',
    b'{"tenant_id":7,"user_id":""}',
    b'{"tenant_id":7,"user_id":"a b"}',
    b'{"tenant_id":7,"user_id":"all\\n"}',
    b'{"tenant_id":7,"user_id":"..}:x"}',
    b'{"tenant_id":7,"session_id":"77"}',
    b'{"jti":""}',
    b'{"jti":"a b"}',
    b'{"jti":5}',
    b'{"jti":"%s"}' % (b"a" * 129),
]


@pytest.mark.parametrize("payload", BAD)
def test_what_is_no_revocation_is_refused_without_repeating_it(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_revocation(payload)
    assert len(str(error.value)) < 150
    assert "12" not in str(error.value).replace("128", "")


# A session beside the user is one more member that is not known.
@pytest.mark.parametrize("payload", [*(bad for bad in BAD if b"session_id" not in bad), b'{"tenant_id":7}'])
def test_what_is_no_change_of_sectors_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_sector_change(payload)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Revocation(tenant_id=0),
        lambda: Revocation(tenant_id=7, user_id="a b"),
        lambda: Revocation(jti="ä"),
        lambda: Revocation(tenant_id=7, session_id="77"),  # type: ignore[arg-type]
    ],
)
def test_what_no_gateway_would_read_is_not_announced(made: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode_revocation(made())
