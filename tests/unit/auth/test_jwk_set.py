from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm

from gateway.auth.jwk_set import MAX_KEYS, read_jwk_set
from tests.support.identity_provider import SigningKey

GOOD = SigningKey("ES256", "good")


def kids(*members: Any) -> set[str | None]:
    return set(read_jwk_set(json.dumps({"keys": [*members, GOOD.jwk()]}).encode())) - {"good"}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_each_kind_of_key_is_bound_to_its_algorithm(algorithm: str) -> None:
    key = SigningKey(algorithm, "k")
    for member in (key.jwk(), key.jwk(alg=algorithm), key.jwk(use="sig"), key.jwk(key_ops=["verify"])):
        member.pop("key_ops", None) if "use" in member else None
        found = read_jwk_set(json.dumps({"keys": [member]}).encode())
        assert {kid: key.algorithm for kid, key in found.items()} == {"k": algorithm}


def unusable() -> dict[str, Any]:
    rsa = SigningKey("RS256", "x")
    return {
        "a secret": {**json.loads(HMACAlgorithm.to_jwk(b"s" * 32)), "kid": "x"},
        "a private key": {**json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()))), "kid": "x"},
        "for encryption": rsa.jwk(use="enc", key_ops=["verify"]),
        "for signing alone": rsa.jwk(key_ops=["sign"]),
        "another algorithm": rsa.jwk(alg="PS256"),
        "an algorithm of another kind": rsa.jwk(alg="HS256"),
        "an unknown algorithm": rsa.jwk(alg="XX"),
        "a short key": SigningKey("RS256", "x", rsa_bits=1024).jwk(),
        "another curve": {**json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))},
        "Ed448": {**json.loads(OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key())), "kid": "x"},
        "a kid that is no string": rsa.jwk(kid=5),
        "no numbers": {"kty": "RSA", "kid": "x"},
        "bad numbers": rsa.jwk(n="!!!"),
        "a point that is on no curve": {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "x"},
        "an unknown kind": {"kty": "XX", "kid": "x"},
        "no kind": {"kid": "x"},
        "no object": 5,
    }


UNUSABLE = unusable()


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_left_out_and_said_and_the_others_stay(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert kids(UNUSABLE[name]) == set()
    assert "is not used" in caplog.text


def test_a_kid_that_stands_twice_is_the_first() -> None:
    first, second = SigningKey("ES256", "twice"), SigningKey("ES256", "twice")
    found = read_jwk_set(json.dumps({"keys": [first.jwk(), second.jwk()]}).encode())
    assert found["twice"].material.public_numbers() == first.public.public_numbers()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[5]}',
        b"[" * 100_000,
        json.dumps({"keys": [GOOD.jwk(kid=str(n)) for n in range(MAX_KEYS + 1)]}).encode(),
    ],
)
def test_what_holds_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="set"):
        read_jwk_set(data)
