from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.auth.identity import Identity
from gateway.auth.table_token import TableTokenVerifier, issue_table_token
from gateway.errors import SettingsError, TokenError
from tests.support.forge import (
    ABSENT,
    NOW,
    OTHER_SECRET,
    SECRET,
    STAFF,
    TABLE,
    ForgeClock,
    b64,
    changed,
    jwt_of,
    sign,
    table_of,
)


def verifier(clock: ForgeClock | None = None, **secrets: str) -> TableTokenVerifier:
    return TableTokenVerifier({None: SECRET, **secrets}, 86_400, clock or ForgeClock())


def refused(token: str, reason: str, verify: TableTokenVerifier | None = None) -> None:
    with pytest.raises(TokenError, match=reason) as caught:
        (verify or verifier()).verify(token)
    text = str(caught.value)
    assert len(text) < 200
    assert not any(part in text for part in token.split(".") if len(part) > 3), "the error repeats the token"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_good_token_is_an_identity() -> None:
    assert verifier().verify(table_of(changed(TABLE, diner_id="d-1"))) == Identity(
        kind="diner",
        tenant=7,
        subject="77",
        branches=(5,),
        roles=frozenset(),
        sectors=None,
        session=77,
        table=42,
        diner="d-1",
        token_id=None,
        issued_at=NOW,
        expires_at=NOW + 3600,
    )


def test_its_key_is_the_session() -> None:
    assert verifier().verify(table_of(TABLE)).keys == ("session:77",)


def test_a_diner_may_be_named_by_a_number() -> None:
    assert verifier().verify(table_of(changed(TABLE, diner_id=3))).diner == "3"


def test_the_signature_is_over_version_and_payload() -> None:
    # Made from the documentation alone, to hold the format still.
    payload = b64(json.dumps(TABLE).encode())
    verifier().verify(f"v1.{payload}.{sign(f'v1.{payload}')}")
    refused(f"v1.{payload}.{sign(payload)}", "signature")


def test_issued_tokens_verify_and_live_three_hours() -> None:
    clock = ForgeClock(NOW + 0.7)
    token = issue_table_token(SECRET, kid="k2", tenant=7, branch=5, table=42, session=77, diner="ana", clock=clock)
    assert "=" not in token
    identity = TableTokenVerifier({"k2": SECRET}, 86_400, clock).verify(token)
    assert (identity.session, identity.table, identity.diner) == (77, 42, "ana")
    assert (identity.issued_at, identity.expires_at) == (NOW, NOW + 3 * 3600)


@pytest.mark.parametrize(
    "wrong", [{"tenant": 0}, {"branch": True}, {"session": 2**53}, {"diner": "a b"}, {"expires_in": 0}, {"kid": "a b"}]
)
def test_what_every_verifier_would_refuse_is_not_issued(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"tenant": 7, "branch": 5, "table": 42, "session": 77}
    with pytest.raises(TokenError):
        issue_table_token(SECRET, clock=ForgeClock(), **(good | wrong))


@pytest.mark.parametrize("member", list(TABLE))
def test_every_member_is_needed(member: str) -> None:
    refused(table_of(changed(TABLE, **{member: ABSENT})), member)
    refused(table_of(changed(TABLE, **{member: None})), member)


IDS: list[Any] = [0, -1, 2**53, 10**30, True, False, "7", 7.0, 7.5, [7], {}]
WRONG: dict[str, list[Any]] = {
    "tenant_id": IDS,
    "branch_id": IDS,
    "table_id": IDS,
    "session_id": IDS,
    "diner_id": [0, -1, 2**53, True, 1.5, "", "a b", "a" * 65, "ä", ["a"], {}],
    "iat": ["1800000000", True, -1, 0, 2**53, []],
    "exp": ["1800003600", True, -1, 0, 2**53, 10**400, []],
    "kid": [1, True, "", "a b", "a" * 65, "a/b", ["new"], {}],
}


@pytest.mark.parametrize(("member", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_no_member_may_be_of_the_wrong_type_or_out_of_bounds(member: str, value: Any) -> None:
    refused(table_of(changed(TABLE, **{member: value})), member)


def test_expiry_has_no_leeway() -> None:
    clock = ForgeClock(NOW + 3599.999)
    verify, token = verifier(clock), table_of(TABLE)
    verify.verify(token)
    clock.now = NOW + 3600
    refused(token, "expired", verify)


def test_time_limits_are_the_staff_tokens() -> None:
    verifier().verify(table_of(changed(TABLE, iat=NOW + 5)))
    refused(table_of(changed(TABLE, iat=NOW + 5.01)), "future")
    refused(table_of(changed(TABLE, exp=NOW + 86_401)), "longer than 86400 s")


def test_kid_selects_the_secret() -> None:
    verify = verifier(new=OTHER_SECRET)
    verify.verify(table_of(TABLE))
    verify.verify(table_of(changed(TABLE, kid="new"), secret=OTHER_SECRET))
    refused(table_of(changed(TABLE, kid="new")), "signature", verify)
    refused(table_of(changed(TABLE, kid="old")), "kid", verify)
    refused(table_of(TABLE), "kid", TableTokenVerifier({"new": SECRET}, 86_400, ForgeClock()))


@pytest.mark.parametrize("secrets", [{}, {None: ""}, {None: SECRET, "a": ""}])
def test_a_verifier_without_secret_is_not_made(secrets: dict[str | None, str]) -> None:
    with pytest.raises(SettingsError, match="secret"):
        TableTokenVerifier(secrets, 86_400, ForgeClock())


def test_another_secret_is_refused() -> None:
    refused(table_of(TABLE, secret=OTHER_SECRET), "signature")


@pytest.mark.parametrize("signature", ["", b64(b"\x00" * 32), b64(b"x"), b64(b"x" * 64)])
def test_a_signature_of_any_length_is_compared(signature: str) -> None:
    refused(table_of(TABLE, signature=signature), "signature")


@pytest.mark.parametrize("version", ["v2", "V1", "", "v1 ", "v01", "1"])
def test_another_version_is_refused(version: str) -> None:
    refused(table_of(TABLE, version=version), "v1")


def test_neither_kind_of_token_passes_for_the_other() -> None:
    refused(jwt_of(STAFF), "v1")


@pytest.mark.parametrize(
    "payload",
    [
        b'{"tenant_id":7,"tenant_id":8,"branch_id":5,"table_id":1,"session_id":1,"iat":1800000000,"exp":1800000001}',
        b'{"tenant_id":7,"tenant\\u005fid":8,"branch_id":5,"table_id":1,"session_id":1,"iat":1800000000,"exp":1800000001}',
        b'{"x":{"a":1,"a":2},"tenant_id":7,"branch_id":5,"table_id":1,"session_id":1,"iat":1800000000,"exp":1800000001}',
    ],
)
def test_a_member_that_stands_twice_is_refused(payload: bytes) -> None:
    refused(table_of(payload), "twice")


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"[" * 4000, b'{"kid":' + b"[" * 4000, b"{} x"]
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    refused(table_of(payload), "claims")


def test_a_payload_that_is_not_utf8_in_a_member_nobody_reads_is_refused() -> None:
    payload = json.dumps(TABLE).encode()[:-1] + b',"x":"\xff"}'
    refused(table_of(payload), "not JSON")


@pytest.mark.parametrize("token", ["", ".", "..", "v1", "v1.", "v1..", "v1.a.b.c", "v1.e30.e30.", "x.e30.e30"])
def test_what_is_no_token_at_all_is_refused(token: str) -> None:
    refused(token, "token")


def test_every_truncation_is_refused() -> None:
    token = table_of(TABLE)
    for length in range(len(token)):
        with pytest.raises(TokenError):
            verifier().verify(token[:length])


@pytest.mark.parametrize("junk", ["=", "==", " ", "\n", "\t", "%3D", "\x00", "!", "+", "/", "ä", "."])
def test_no_other_spelling_of_a_token_is_accepted(junk: str) -> None:
    token = table_of(TABLE)
    version, payload, signature = token.split(".")
    for spelled in (token + junk, junk + token, f"{version}.{payload}{junk}.{signature}"):
        refused(spelled, "token")


def test_spare_bits_of_the_last_character_must_be_zero() -> None:
    token = table_of(TABLE)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for spare in (1, 2, 3):
        refused(token[:-1] + alphabet[alphabet.index(token[-1]) + spare], "canonical")


def test_a_token_over_8_kib_is_refused_unread() -> None:
    refused(table_of(changed(TABLE, filler="x" * 8192)), "over 8192 bytes")
