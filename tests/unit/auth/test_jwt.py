from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from gateway.auth.identity import Identity, Role
from gateway.auth.jwt import JwtVerifier, issue_staff_token
from gateway.errors import SettingsError, TokenError
from tests.support.forge import ABSENT, NOW, OTHER_SECRET, SECRET, STAFF, ForgeClock, b64, changed, jwt_of, sign

PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----\n"


def verifier(clock: ForgeClock | None = None, **secrets: str) -> JwtVerifier:
    return JwtVerifier({None: SECRET, **secrets}, 86_400, clock or ForgeClock())


def refused(token: str, reason: str, verify: JwtVerifier | None = None) -> None:
    with pytest.raises(TokenError, match=reason) as caught:
        (verify or verifier()).verify(token)
    text = str(caught.value)
    assert len(text) < 200
    assert not any(part in text for part in token.split(".") if len(part) > 3), "the error repeats the token"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_good_token_is_an_identity() -> None:
    claims = changed(STAFF, roles=["WAITER", "ADMIN"], sector_ids=[9, 3])
    assert verifier().verify(jwt_of(claims)) == Identity(
        kind="staff",
        tenant=7,
        subject="12",
        branches=(5, 6),
        roles=frozenset({Role.WAITER, Role.ADMIN}),
        sectors=(9, 3),
        session=None,
        table=None,
        diner=None,
        token_id="0123456789abcdef",
        issued_at=NOW,
        expires_at=NOW + 3600,
    )


def test_its_keys_are_user_and_token() -> None:
    assert verifier().verify(jwt_of(STAFF)).keys == ("user:12", "jti:0123456789abcdef")


def test_unknown_claims_unknown_roles_and_other_types_are_ignored() -> None:
    claims = changed(STAFF, roles=["WAITER", "waiter", "CHEF"], type="access", iss="x", name={"deep": [1]})
    assert verifier().verify(jwt_of(claims)).roles == {Role.WAITER}


def test_repeated_branches_and_sectors_count_once() -> None:
    identity = verifier().verify(jwt_of(changed(STAFF, branch_ids=[5, 6, 5], sector_ids=[2, 2])))
    assert (identity.branches, identity.sectors) == ((5, 6), (2,))


def test_an_empty_sector_list_is_not_a_missing_one() -> None:
    assert verifier().verify(jwt_of(changed(STAFF, sector_ids=[]))).sectors == ()
    assert verifier().verify(jwt_of(STAFF)).sectors is None


def test_issued_tokens_verify() -> None:
    clock = ForgeClock(NOW + 0.7)
    token = issue_staff_token(
        SECRET,
        kid="k2",
        tenant=7,
        user="ana-1",
        branches=[5],
        roles=[Role.MANAGER],
        sectors=[1],
        expires_in=60,
        clock=clock,
    )
    identity = JwtVerifier({"k2": SECRET}, 86_400, clock).verify(token)
    assert (identity.subject, identity.roles, identity.sectors) == ("ana-1", {Role.MANAGER}, (1,))
    assert (identity.issued_at, identity.expires_at) == (NOW, NOW + 60)


def test_no_two_issued_tokens_have_one_id() -> None:
    def issue() -> str:
        return issue_staff_token(
            SECRET, tenant=7, user="1", branches=[5], roles=["ADMIN"], expires_in=60, clock=ForgeClock()
        )

    assert verifier().verify(issue()).token_id != verifier().verify(issue()).token_id


@pytest.mark.parametrize(
    "wrong", [{"user": "a b"}, {"tenant": 0}, {"branches": []}, {"expires_in": 0}, {"expires_in": -5}, {"sectors": [0]}]
)
def test_what_every_verifier_would_refuse_is_not_issued(wrong: dict[str, Any]) -> None:
    good: dict[str, Any] = {"tenant": 7, "user": "1", "branches": [5], "roles": ["ADMIN"], "expires_in": 60}
    with pytest.raises(TokenError):
        issue_staff_token(SECRET, clock=ForgeClock(), **(good | wrong))


@pytest.mark.parametrize("claim", ["sub", "tenant_id", "branch_ids", "roles", "exp", "iat", "jti"])
def test_every_claim_but_the_optional_ones_is_needed(claim: str) -> None:
    refused(jwt_of(changed(STAFF, **{claim: ABSENT})), claim)
    refused(jwt_of(changed(STAFF, **{claim: None})), claim)


HUGE = 2**53
WRONG: dict[str, list[Any]] = {
    "sub": [12, True, "", "a" * 65, "a b", "a:b", "ä", "12\n", "../x", ["12"], {}],
    "tenant_id": [0, -1, HUGE, 10**30, True, "7", 7.0, 7.5, [7], {}],
    "branch_ids": [[], [0], [-5], [HUGE], [True], ["5"], [5.0], [[5]], [None], 5, "5", {}, list(range(1, 258))],
    "roles": [[1], [None], [True], "ADMIN", {"ADMIN": 1}, 1, ["A" * 65], ["A"] * 65],
    "sector_ids": [[0], [-1], [HUGE], [True], ["1"], [1.0], 1, "1", {}, list(range(1, 258))],
    "exp": ["1800003600", True, -1, 0, HUGE, 10**400, [], {}],
    "iat": ["1800000000", False, -1, 0, HUGE, [], {}],
    "jti": [1, "", "a" * 129, "a b", "a\n", "ä", "\x7f", ["a"], {}],
    "type": [1, ["refresh"], {"refresh": 1}],
    "nbf": ["1", True, -1, []],
}


@pytest.mark.parametrize(("claim", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_no_claim_may_be_of_the_wrong_type_or_out_of_bounds(claim: str, value: Any) -> None:
    refused(jwt_of(changed(STAFF, **{claim: value})), claim)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", "A_z-9" * 12),
        ("tenant_id", HUGE - 1),
        ("branch_ids", list(range(1, 257))),
        ("roles", []),
        ("jti", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
        ("jti", "~" * 128),
        ("exp", NOW + 0.5),
    ],
)
def test_what_stands_at_the_edge_of_the_bounds_is_good(claim: str, value: Any) -> None:
    verifier().verify(jwt_of(changed(STAFF, **{claim: value})))


def test_a_refresh_token_is_no_access_token() -> None:
    refused(jwt_of(changed(STAFF, type="refresh")), "refresh token")


@pytest.mark.parametrize("audience", ["web", ["web"], {"a": 1}, 0, False])
def test_a_token_for_an_audience_is_refused(audience: Any) -> None:
    refused(jwt_of(changed(STAFF, aud=audience)), "audience")


@pytest.mark.parametrize("audience", [None, "", []])
def test_an_empty_audience_is_none(audience: Any) -> None:
    verifier().verify(jwt_of(changed(STAFF, aud=audience)))


def test_expiry_has_no_leeway() -> None:
    clock = ForgeClock(NOW + 3599.999)
    verify, token = verifier(clock), jwt_of(STAFF)
    verify.verify(token)
    clock.now = NOW + 3600
    refused(token, "expired", verify)


def test_an_issuer_may_be_five_seconds_ahead() -> None:
    verifier().verify(jwt_of(changed(STAFF, iat=NOW + 5, nbf=NOW + 5)))
    refused(jwt_of(changed(STAFF, iat=NOW + 5.01)), "future")
    refused(jwt_of(changed(STAFF, nbf=NOW + 5.01)), "not valid yet")


def test_a_token_may_live_a_day_and_no_longer() -> None:
    verifier().verify(jwt_of(changed(STAFF, exp=NOW + 86_400)))
    refused(jwt_of(changed(STAFF, exp=NOW + 86_401)), "longer than 86400 s")
    JwtVerifier({None: SECRET}, 0, ForgeClock()).verify(jwt_of(changed(STAFF, exp=NOW + 10**9)))


def test_a_token_that_ends_before_it_begins_is_refused() -> None:
    refused(jwt_of(changed(STAFF, iat=NOW + 4, exp=NOW + 3)), "before it was issued")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, [], ["HS256"], {"HS256": 1}])
@pytest.mark.parametrize("signature", ["", None])
def test_unsigned_and_odd_algorithms_are_refused(alg: Any, signature: str | None) -> None:
    refused(jwt_of(STAFF, header={"alg": alg, "typ": "JWT"}, signature=signature), "algorithm")


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA", "PS256", "HS384", "HS512", "hs256", "HS256 "])
def test_only_the_allowed_algorithm_is_verified(alg: str) -> None:
    refused(jwt_of(STAFF, header={"alg": alg}), "algorithm is not allowed")


def test_a_longer_hash_by_the_right_secret_is_refused() -> None:
    signed = f"{b64(json.dumps({'alg': 'HS512'}).encode())}.{b64(json.dumps(STAFF).encode())}"
    refused(f"{signed}.{b64(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha512))}", "algorithm")


def test_a_token_without_algorithm_is_refused() -> None:
    refused(jwt_of(STAFF, header={"typ": "JWT"}), "algorithm")


@pytest.mark.parametrize("secret", [PEM, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ user@host"])
def test_a_public_key_is_never_taken_for_a_secret(secret: str) -> None:
    with pytest.raises(SettingsError, match="public key") as caught:
        JwtVerifier({"k1": secret}, 86_400, ForgeClock())
    assert secret not in str(caught.value)


@pytest.mark.parametrize("secrets", [{}, {None: ""}, {None: SECRET, "a": b""}])
def test_a_verifier_without_secret_is_not_made(secrets: dict[str | None, str]) -> None:
    with pytest.raises(SettingsError, match="secret"):
        JwtVerifier(secrets, 86_400, ForgeClock())


def test_a_short_secret_verifies_without_a_warning_at_each_token() -> None:
    JwtVerifier({None: "short"}, 86_400, ForgeClock()).verify(jwt_of(STAFF, secret="short"))


def test_another_secret_is_refused() -> None:
    refused(jwt_of(STAFF, secret=OTHER_SECRET), "signature")


def test_kid_selects_the_secret() -> None:
    verify = verifier(new=OTHER_SECRET)
    verify.verify(jwt_of(STAFF))
    verify.verify(jwt_of(STAFF, header={"alg": "HS256", "kid": "new"}, secret=OTHER_SECRET))
    refused(jwt_of(STAFF, header={"alg": "HS256", "kid": "new"}), "signature", verify)
    refused(jwt_of(STAFF, secret=OTHER_SECRET), "signature", verify)


@pytest.mark.parametrize("kid", ["old", "", "None", "../new", "new\x00", "NEW"])
def test_an_unknown_kid_is_refused(kid: str) -> None:
    refused(jwt_of(STAFF, header={"alg": "HS256", "kid": kid}), "kid", verifier(new=OTHER_SECRET))


@pytest.mark.parametrize("kid", [1, None, ["new"], {}, True])
def test_a_kid_that_is_no_string_is_refused(kid: Any) -> None:
    refused(jwt_of(STAFF, header={"alg": "HS256", "kid": kid}), "header is malformed")


def test_without_an_unnamed_secret_a_kid_is_needed() -> None:
    refused(jwt_of(STAFF), "no `kid`", JwtVerifier({"new": SECRET}, 86_400, ForgeClock()))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "b64": False, "crit": ["b64"]},
    ],
)
def test_critical_header_members_are_refused(header: dict[str, Any]) -> None:
    refused(jwt_of(STAFF, header=header), "header is malformed")


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b'{"sub":', b"[" * 4000, b'{"sub":"1"} x']
)
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    refused(jwt_of(payload), "claims")


@pytest.mark.parametrize("header", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 4000])
def test_a_header_that_is_no_object_is_refused(header: bytes) -> None:
    signed = f"{b64(header)}.{b64(json.dumps(STAFF).encode())}"
    refused(f"{signed}.{sign(signed)}", "header is malformed")


@pytest.mark.parametrize("token", ["", ".", "..", "...", "a", "a.b", "a.b.c.d", "eyJ.eyJ.eyJ.eyJ.eyJ", "Bearer x"])
def test_what_is_no_token_at_all_is_refused(token: str) -> None:
    refused(token, "token")


def test_every_truncation_is_refused() -> None:
    token = jwt_of(STAFF)
    for length in range(len(token)):
        with pytest.raises(TokenError):
            verifier().verify(token[:length])


@pytest.mark.parametrize("junk", ["=", "==", " ", "\n", "\t", "\r\n", "%3D", "\x00", "!", "+", "/", "ä", "."])
def test_no_other_spelling_of_a_token_is_accepted(junk: str) -> None:
    token = jwt_of(STAFF)
    header, payload, signature = token.split(".")
    for spelled in (
        token + junk,
        junk + token,
        f"{header}{junk}.{payload}.{signature}",
        f"{header}.{payload}{junk}.{signature}",
    ):
        refused(spelled, "token")


def test_spare_bits_of_the_last_character_must_be_zero() -> None:
    token = jwt_of(STAFF)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # An HMAC of 32 bytes leaves two spare bits: three other last characters decode to the same bytes.
    same = [token[:-1] + alphabet[alphabet.index(token[-1]) + spare] for spare in (1, 2, 3)]
    for spelled in same:
        refused(spelled, "canonical")


def test_a_token_over_8_kib_is_refused_unread() -> None:
    refused("a" * 8193, "over 8192 bytes")
    refused(jwt_of(changed(STAFF, filler="x" * 8192)), "over 8192 bytes")
