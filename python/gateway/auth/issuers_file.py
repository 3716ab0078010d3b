"""The file of issuers, `GATEWAY_ISSUERS_FILE`: who may issue staff tokens beside the holder of the gateway's secret."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Meta

from gateway.auth.claims import Id, Kid
from gateway.auth.issuer import Issuer
from gateway.auth.jwks import JwksKeys
from gateway.auth.jwks_fetch import check_jwks_url
from gateway.auth.keys import SECRET_ALGORITHM, FixedKeys, KeySet, VerificationKey, public_key, secret_key
from gateway.errors import SettingsError
from gateway.settings import MIN_SECRET_BYTES, read_secret
from gateway.types import Clock

_SOURCES = ("jwks_url", "public_key_file", "secret_file")


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One `[[issuer]]`."""

    iss: Annotated[str, Meta(min_length=1, max_length=512)]
    algorithms: Annotated[list[Literal["HS256", "RS256", "ES256", "EdDSA"]], Meta(min_length=1)]
    jwks_url: str | None = None
    public_key_file: str | None = None
    secret_file: str | None = None
    kid: Kid | None = None
    audience: Annotated[str, Meta(min_length=1)] | None = None
    tenants: Annotated[list[Id], Meta(min_length=1)] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    issuer: Annotated[list[_Entry], Meta(min_length=1, max_length=64)]


def load_issuers(path: Path, clock: Clock) -> tuple[Issuer, ...]:
    """Read the file. Paths in it are relative to its folder. Keys by URL are fetched when they are started.

    Raises:
        SettingsError: the file, or one that it names, cannot be read, or says something else than issuers. The text
            holds no secret.
    """
    try:
        entries = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).issuer
    except OSError as error:
        raise SettingsError(f"the issuers file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the issuers file {path} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"the issuers file {path} holds no issuers: {error}; expected sections [[issuer]] with iss, algorithms and"
            f" one of {', '.join(_SOURCES)}"
        ) from None
    names = [entry.iss for entry in entries]
    if len(set(names)) != len(names):
        raise SettingsError(f"the issuers file {path} names an `iss` twice; expected each once")
    issuers = []
    for entry in entries:
        try:
            issuers.append(_issuer(entry, path.parent, clock))
        except (ValueError, SettingsError) as error:
            raise SettingsError(f"the issuers file {path}, issuer {entry.iss!r}: {error}") from None
    return tuple(issuers)


def _issuer(entry: _Entry, folder: Path, clock: Clock) -> Issuer:
    given = [name for name in _SOURCES if getattr(entry, name) is not None]
    if len(given) != 1:
        raise ValueError(f"expected exactly one of {', '.join(_SOURCES)}")
    # A public key and a secret never share an issuer: one that may sign with HS256 could do so with the public key.
    if (SECRET_ALGORITHM in entry.algorithms) != (given == ["secret_file"]) or (
        given == ["secret_file"] and len(entry.algorithms) != 1
    ):
        raise ValueError("HS256 goes with secret_file, and with it alone")
    if entry.kid is not None and entry.jwks_url is not None:
        raise ValueError("kid goes with a file; the keys of a URL have their own")
    return Issuer(
        name=entry.iss,
        keys=_keys(entry, folder, clock),
        algorithms=tuple(entry.algorithms),
        audience=entry.audience,
        tenants=None if entry.tenants is None else frozenset(entry.tenants),
    )


def _keys(entry: _Entry, folder: Path, clock: Clock) -> KeySet:
    if entry.jwks_url is not None:
        try:
            check_jwks_url(entry.jwks_url)
        except ValueError as error:
            raise ValueError(f"jwks_url: {error}") from None
        return JwksKeys(entry.jwks_url, clock)
    if entry.secret_file is not None:
        secret = read_secret(str(folder / entry.secret_file))
        if len(secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"secret_file holds under {MIN_SECRET_BYTES} bytes, which is weak")
        return FixedKeys({entry.kid: secret_key(secret, "secret_file")})
    assert entry.public_key_file is not None  # noqa: S101 - one of the three
    key = _pem(read_secret(str(folder / entry.public_key_file)))
    if key.algorithm not in entry.algorithms:
        raise ValueError(f"public_key_file holds a key for {key.algorithm}, which is not among its algorithms")
    return FixedKeys({entry.kid: key})


def _pem(text: str) -> VerificationKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("public_key_file holds no public key in PEM") from None
    return public_key(key)
