from __future__ import annotations

from pathlib import Path

import pytest

from gateway.auth.issuers_file import load_issuers
from gateway.auth.jwks import JwksKeys
from gateway.auth.jwks_fetch import check_jwks_url
from gateway.auth.jwt import JwtVerifier
from gateway.errors import SettingsError
from tests.support.forge import STAFF, ForgeClock, changed, jwt_of
from tests.support.identity_provider import SigningKey

SECRET = "s3cret-" * 6
KEY = SigningKey("EdDSA", "ed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "short").write_text("s3cret")
    (tmp_path / "public.pem").write_text(KEY.pem)
    return tmp_path


def load(folder: Path, text: str) -> tuple:
    path = folder / "issuers.toml"
    path.write_text(text)
    return load_issuers(path, ForgeClock())


def entry(*lines: str, iss: str = "a") -> str:
    return "\n".join(["[[issuer]]", f'iss = "{iss}"', *lines]) + "\n"


HS = ('algorithms = ["HS256"]', 'secret_file = "secret"')
ED = ('algorithms = ["EdDSA"]', 'public_key_file = "public.pem"')
URL = ('algorithms = ["RS256", "ES256"]', 'jwks_url = "https://id.example.com/jwks"')


def test_each_source_of_keys_and_every_bound(folder: Path) -> None:
    found = load(
        folder,
        entry(*HS, iss="back end")
        + entry(*ED, 'kid = "ed"', "tenants = [1, 2]", iss="till")
        + entry(*URL, 'audience = "gateway"', iss="https://id.example.com/"),
    )
    assert [issuer.name for issuer in found] == ["back end", "till", "https://id.example.com/"]
    assert found[1].tenants == {1, 2}
    assert found[2].audience == "gateway"
    assert isinstance(found[2].keys, JwksKeys)
    verify = JwtVerifier({}, 86_400, ForgeClock(), issuers=found)
    assert verify.verify(jwt_of(changed(STAFF, iss="back end"), secret=SECRET)).subject == "12"
    assert verify.verify(KEY.sign(changed(STAFF, iss="till", tenant_id=1))).tenant == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "issuer"),
        ("[[issuer]]", "iss"),
        ("issuer = 5", "array"),
        ("[", "TOML"),
        (entry(*HS, 'colour = "red"'), "colour"),
        (entry('algorithms = ["HS256"]'), "exactly one"),
        (entry(*HS, URL[1]), "exactly one"),
        (entry(*HS) + entry(*HS), "twice"),
        (entry(HS[1], "algorithms = []"), "algorithms"),
        (entry(HS[1], 'algorithms = ["none"]'), "none"),
        (entry(HS[1], 'algorithms = ["HS512"]'), "HS512"),
        (entry(HS[1], 'algorithms = ["HS256", "RS256"]'), "alone"),
        (entry(HS[1], 'algorithms = ["RS256"]'), "alone"),
        (entry(ED[1], 'algorithms = ["HS256", "EdDSA"]'), "alone"),
        (entry(URL[1], 'algorithms = ["HS256"]'), "alone"),
        (entry(ED[1], 'algorithms = ["ES256"]'), "EdDSA"),
        (entry(*URL, 'kid = "x"'), "kid"),
        (entry(HS[0], 'secret_file = "short"'), "weak"),
        (entry(HS[0], 'secret_file = "public.pem"'), "public key"),
        (entry(HS[0], 'secret_file = "nowhere"'), "cannot read"),
        (entry(ED[0], 'public_key_file = "secret"'), "no public key"),
        (entry(*HS, "tenants = []"), "tenants"),
        (entry(*HS, "tenants = [0]"), "tenants"),
        (entry(*HS, 'tenants = ["1"]'), "tenants"),
        (entry(*HS, 'audience = ""'), "audience"),
        (entry(*HS, iss=""), "iss"),
    ],
)
def test_what_is_wrong_is_said_and_no_secret_repeated(text: str, says: str, folder: Path) -> None:
    with pytest.raises(SettingsError, match=says) as error:
        load(folder, text)
    assert "s3cret" not in str(error.value)
    assert "issuers" in str(error.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_issuers(tmp_path / "issuers.toml", ForgeClock())


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/jwks",
        "ftp://id.example.com/jwks",
        "file:///etc/passwd",
        "https:///jwks",
        "https://user:s3cret@id.example.com/jwks",
        "https://[::1/jwks",
        "https://id.example.com:99999/",
        "jwks.json",
        "",
        "http://127.0.0.1.evil.test/",
        "http://localhost.evil.test/",
    ],
)
def test_keys_are_fetched_over_tls_or_from_loopback(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected https|not a URL") as error:
        check_jwks_url(url)
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["https://id.example.com/jwks", "https://id.example.com:8443/", "http://127.0.0.1:9/", "http://localhost/x"]
)
def test_these_may_be_fetched(url: str) -> None:
    check_jwks_url(url)


def test_the_example_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "concepts" / "security.md").read_text("utf-8")
    (tmp_path / "back-end").write_text(SECRET)
    (tmp_path / "till.pem").write_text(KEY.pem)
    example = page.partition("```toml\n")[2].partition("```")[0].replace("/run/secrets/", "")
    assert [issuer.name for issuer in load(tmp_path, example)] == ["https://id.example.com/", "till", "back end"]
