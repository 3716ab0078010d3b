"""Several issuers: whose keys verify a token, with which algorithm, for which tenants and audience."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.auth.issuer import Issuer
from gateway.auth.jwt import JwtVerifier
from gateway.auth.keys import FixedKeys, public_key, secret_key
from gateway.errors import SettingsError, TokenError
from tests.support.forge import ABSENT, NOW, OTHER_SECRET, SECRET, STAFF, ForgeClock, changed, jwt_of
from tests.support.identity_provider import SigningKey

RSA, EC, ED = SigningKey("RS256", "r"), SigningKey("ES256", "e"), SigningKey("EdDSA", None)
ALL = [RSA, EC, ED]
IDP = "https://id.example.com/"


def issuer(*keys: SigningKey, name: str = IDP, algorithms: tuple[str, ...] = (), **more: Any) -> Issuer:
    return Issuer(
        name,
        FixedKeys({key.kid: public_key(key.public) for key in keys}),
        algorithms or tuple(key.algorithm for key in keys),
        **more,
    )


def verifier(*issuers: Issuer, secret: str | None = SECRET) -> JwtVerifier:
    return JwtVerifier({} if secret is None else {None: secret}, 86_400, ForgeClock(), issuers=issuers)


def by(key: SigningKey, **changes: Any) -> str:
    return key.sign(changed(STAFF, **{"iss": IDP, **changes}))


def refused(verify: JwtVerifier, token: str, why: str) -> None:
    with pytest.raises(TokenError, match=why) as error:
        verify.verify(token)
    assert not any(part in str(error.value) for part in token.split(".") if len(part) > 3)


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_each_algorithm_verifies_with_its_key(key: SigningKey) -> None:
    assert verifier(issuer(*ALL)).verify(by(key)).subject == "12"


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_an_algorithm_that_is_not_on_the_issuers_list_is_refused(key: SigningKey) -> None:
    others = tuple(other.algorithm for other in ALL if other is not key)
    refused(verifier(issuer(*ALL, algorithms=others)), by(key), "algorithm is not allowed")


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_another_key_of_the_same_kind_is_refused(key: SigningKey) -> None:
    refused(verifier(issuer(*ALL)), by(SigningKey(key.algorithm, key.kid)), "signature")


@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_hs256_signed_with_the_public_key_is_refused(key: SigningKey) -> None:
    """The classical confusion: the public key, which everybody has, taken for a secret."""
    header = {"alg": "HS256", **({} if key.kid is None else {"kid": key.kid})}
    for secret in (key.pem, key.pem.strip(), key.pem.replace("\n", "")):
        forged = jwt_of(changed(STAFF, iss=IDP), header=header, secret=secret)
        refused(verifier(issuer(*ALL)), forged, "algorithm is not allowed")
        refused(verifier(issuer(*ALL, algorithms=("HS256", key.algorithm))), forged, "algorithm is not allowed")


@pytest.mark.parametrize("alg", ["none", "None", "", "RS384", "RS512", "PS256", "ES384", "ES256K", "HS256", "EdDSA "])
@pytest.mark.parametrize("key", ALL, ids=lambda key: key.algorithm)
def test_a_header_that_names_another_algorithm_is_refused(key: SigningKey, alg: str) -> None:
    header = {"alg": alg, **({} if key.kid is None else {"kid": key.kid})}
    for signature in ("", by(key).rsplit(".", 1)[1]):
        refused(verifier(issuer(*ALL)), jwt_of(changed(STAFF, iss=IDP), header=header, signature=signature), "alg")


def test_a_kid_never_reaches_the_key_of_another_kind() -> None:
    refused(verifier(issuer(*ALL)), RSA.sign(changed(STAFF, iss=IDP), kid="e"), "algorithm is not allowed")


def test_no_issuers_keys_verify_anothers_token() -> None:
    mine, theirs = SigningKey("ES256", "k"), SigningKey("ES256", "k")
    both = verifier(issuer(mine), issuer(theirs, name="other"))
    assert both.verify(mine.sign(changed(STAFF, iss=IDP))).tenant == 7
    assert both.verify(theirs.sign(changed(STAFF, iss="other"))).tenant == 7
    refused(both, theirs.sign(changed(STAFF, iss=IDP)), "signature")
    refused(both, mine.sign(changed(STAFF, iss="other")), "signature")
    refused(both, mine.sign(changed(STAFF, iss=ABSENT)), "kid")


def test_the_gateways_own_secret_is_for_tokens_that_name_no_issuer() -> None:
    verify = verifier(issuer(EC))
    assert verify.verify(jwt_of(STAFF)).subject == "12"
    assert verify.verify(jwt_of(changed(STAFF, iss=None))).subject == "12"
    refused(verify, jwt_of(changed(STAFF, iss=IDP)), "no `kid`")
    refused(verify, jwt_of(changed(STAFF, iss=IDP), header={"alg": "HS256", "kid": "e"}), "algorithm")
    refused(verify, jwt_of(changed(STAFF, iss="elsewhere")), "none of this gateway")


def test_without_a_secret_every_token_has_to_name_an_issuer() -> None:
    verify = verifier(issuer(EC), secret=None)
    assert verify.verify(by(EC)).subject == "12"
    refused(verify, jwt_of(STAFF), "names no issuer")


def test_without_issuers_the_claim_means_nothing() -> None:
    assert verifier().verify(jwt_of(changed(STAFF, iss=IDP))).subject == "12"
    assert verifier().verify(jwt_of(changed(STAFF, iss=["x"]))).subject == "12"


@pytest.mark.parametrize("iss", [5, True, ["https://id.example.com/"], {"a": 1}])
def test_an_issuer_that_is_no_string_is_refused(iss: Any) -> None:
    refused(verifier(issuer(EC)), jwt_of(changed(STAFF, iss=iss)), "iss")


@pytest.mark.parametrize("iss", ["", "https://id.example.com", "HTTPS://id.example.com/", "https://id.example.com/ "])
def test_an_issuer_is_compared_byte_for_byte(iss: str) -> None:
    refused(verifier(issuer(EC)), by(EC, iss=iss), "none of this gateway")


def test_an_issuer_may_be_bound_to_tenants() -> None:
    verify = verifier(issuer(EC, tenants=frozenset({7, 9})))
    assert verify.verify(by(EC, tenant_id=9)).tenant == 9
    refused(verify, by(EC, tenant_id=8), "may not speak for its tenant")


@pytest.mark.parametrize("aud", ["gateway", ["web", "gateway"]])
def test_a_token_for_the_expected_audience_is_good(aud: Any) -> None:
    verifier(issuer(EC, audience="gateway")).verify(by(EC, aud=aud))


@pytest.mark.parametrize("aud", [ABSENT, None, "", [], "Gateway", ["web"], "gateway ", {"gateway": 1}, 5])
def test_any_other_audience_is_refused(aud: Any) -> None:
    # Written by hand, since the library would not sign some of these.
    verify = verifier(
        Issuer(IDP, FixedKeys({None: secret_key(OTHER_SECRET, "x")}), ("HS256",), audience="gateway"), secret=None
    )
    refused(verify, jwt_of(changed(STAFF, iss=IDP, aud=aud), secret=OTHER_SECRET), "audience")


def test_the_leeway_is_a_setting_and_expiry_has_none() -> None:
    verify = JwtVerifier({None: SECRET}, 86_400, ForgeClock(), leeway=0.5)
    verify.verify(jwt_of(changed(STAFF, iat=NOW + 0.5)))
    with pytest.raises(TokenError, match="future"):
        verify.verify(jwt_of(changed(STAFF, iat=NOW + 1)))
    late = JwtVerifier({None: SECRET}, 86_400, ForgeClock(NOW + 3600), leeway=60)
    with pytest.raises(TokenError, match="expired"):
        late.verify(jwt_of(STAFF))


def test_somebody_has_to_issue() -> None:
    with pytest.raises(SettingsError):
        verifier(secret=None)


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(secret_key(SECRET, "x")) == "VerificationKey(HS256)"
