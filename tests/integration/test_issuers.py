"""Issuers with keys by URL: a real HTTP server, and real gateways that fetch from it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.auth import jwks, jwks_fetch
from gateway.auth.jwks_fetch import MAX_BYTES, fetch_jwks
from gateway.errors import KeysAwayError
from tests.support.clients import client, welcomed
from tests.support.gateway import run_gateway
from tests.support.identity_provider import IdentityProvider, SigningKey, claims, identity_provider
from tests.support.tokens import staff_token
from tests.support.valkey import ValkeyServer

IDP = "https://id.example.com/"


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    with identity_provider() as running:
        yield running


@pytest.fixture
def issuers(tmp_path: Path, provider: IdentityProvider) -> str:
    path = tmp_path / "issuers.toml"
    path.write_text(
        f'[[issuer]]\niss = "{IDP}"\nalgorithms = ["RS256", "ES256", "EdDSA"]\njwks_url = "{provider.url}"\n'
        "tenants = [1]\n"
    )
    return str(path)


async def code(url: str, token: str) -> int:
    async with client(url, "/ws/waiter", token) as peer:
        return await peer.close_code()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_the_issuer_admits_and_forged_ones_do_not(
    algorithm: str, provider: IdentityProvider, issuers: str, valkey: ValkeyServer
) -> None:
    key = SigningKey(algorithm)
    provider.publish(key)
    with run_gateway(valkey.url, issuers_file=issuers, jwt_secret="s" * 32) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", key.sign(claims(iss=IDP))):
            pass
        async with welcomed(gateway.ws, "/ws/waiter", staff_token(secret="s" * 32)):
            pass
        for forged in (
            SigningKey(algorithm).sign(claims(iss=IDP)),
            SigningKey(algorithm, "made-up").sign(claims(iss=IDP)),
            key.sign(claims(iss="https://elsewhere.example.com/")),
            key.sign(claims(iss=IDP, tenant_id=2)),
            key.sign(claims()),
            staff_token(),
        ):
            assert await code(gateway.ws, forged) == 4001


async def test_a_rotated_key_admits_and_a_withdrawn_one_does_not_though_its_token_was_remembered(
    provider: IdentityProvider, issuers: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    old, new = SigningKey("ES256", "old"), SigningKey("ES256", "new")
    before, after = old.sign(claims(iss=IDP)), new.sign(claims(iss=IDP))
    provider.publish(old)
    with run_gateway(valkey.url, issuers_file=issuers) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", before) as connected:
            provider.publish(new)
            async with welcomed(gateway.ws, "/ws/waiter", after):
                pass
            assert await code(gateway.ws, before) == 4001
            await connected.send("ping")
            assert (await connected.json())["type"] == "pong", "who is connected stays until its token ends"


async def test_a_crowd_that_brings_a_new_key_causes_one_fetch(
    provider: IdentityProvider, issuers: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    provider.publish(SigningKey("ES256", "old"))
    new = SigningKey("ES256", "new")
    with run_gateway(valkey.url, issuers_file=issuers) as gateway:
        async with asyncio.timeout(10):
            while not provider.hits:
                await asyncio.sleep(0.01)
        provider.publish(new)
        provider.gate.clear()

        async def join(user: int) -> None:
            async with welcomed(gateway.ws, "/ws/waiter", new.sign(claims(iss=IDP, sub=f"u{user}", jti=f"j{user}"))):
                pass

        joining = [asyncio.create_task(join(user)) for user in range(20)]
        await asyncio.sleep(0.5)
        provider.gate.set()
        await asyncio.gather(*joining)
        assert provider.hits == 2


async def test_while_the_endpoint_is_away_known_keys_admit_and_unknown_ones_are_told_to_come_again(
    provider: IdentityProvider, issuers: str, valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "COOLDOWN_SECONDS", 0.0)
    known, unknown = SigningKey("EdDSA", "known"), SigningKey("EdDSA", "unknown")
    provider.publish(known)
    with run_gateway(valkey.url, issuers_file=issuers) as gateway:
        async with welcomed(gateway.ws, "/ws/waiter", known.sign(claims(iss=IDP))):
            pass
        provider.status = 503
        async with welcomed(gateway.ws, "/ws/waiter", known.sign(claims(iss=IDP, jti="second"))) as peer:
            assert await code(gateway.ws, unknown.sign(claims(iss=IDP))) == 1013
            await peer.send({"type": "refresh_token", "token": unknown.sign(claims(iss=IDP))})
            assert await peer.json() == {"type": "error", "code": "too_soon"}
        provider.status = 200
        provider.publish(known, unknown)
        async with welcomed(gateway.ws, "/ws/waiter", unknown.sign(claims(iss=IDP, jti="third"))):
            pass


async def test_an_issuer_that_never_answered_admits_nobody_and_the_gateway_serves_the_others(
    provider: IdentityProvider, issuers: str, valkey: ValkeyServer
) -> None:
    provider.status = 404
    with run_gateway(valkey.url, issuers_file=issuers, jwt_secret="s" * 32) as gateway:
        assert await code(gateway.ws, SigningKey().sign(claims(iss=IDP))) == 1013
        async with welcomed(gateway.ws, "/ws/waiter", staff_token(secret="s" * 32)):
            pass


# --- the fetch itself ------------------------------------------------------------------------------------------------


def test_the_body_comes_as_it_is(provider: IdentityProvider) -> None:
    provider.body = b"\xff\x00 anything"
    assert fetch_jwks(provider.url) == provider.body


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 404, 500, 503])
def test_only_200_is_an_answer(status: int, provider: IdentityProvider) -> None:
    provider.status, provider.body = status, b""
    with pytest.raises(KeysAwayError, match=str(status)):
        fetch_jwks(provider.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, provider: IdentityProvider) -> None:
    with identity_provider() as elsewhere:
        elsewhere.publish(SigningKey())
        provider.status, provider.headers = status, {"Location": elsewhere.url}
        with pytest.raises(KeysAwayError, match=str(status)):
            fetch_jwks(provider.url)
        assert elsewhere.hits == 0


def test_a_body_without_measure_is_refused(provider: IdentityProvider) -> None:
    provider.body = b" " * (MAX_BYTES + 1)
    with pytest.raises(KeysAwayError, match="over"):
        fetch_jwks(provider.url)


def test_an_endpoint_that_does_not_answer_is_given_up(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks_fetch, "TIMEOUT_SECONDS", 0.2)
    provider.gate.clear()
    with pytest.raises(KeysAwayError, match="cannot be fetched"):
        fetch_jwks(provider.url)


def test_nobody_there_is_an_error_of_ours() -> None:
    with pytest.raises(KeysAwayError, match="cannot be fetched"):
        fetch_jwks("http://127.0.0.1:1/jwks")


def test_tls_is_verified(provider: IdentityProvider) -> None:
    with pytest.raises(KeysAwayError, match="cannot be fetched"):
        fetch_jwks(provider.url.replace("http://", "https://"))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
