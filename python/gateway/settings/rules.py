"""What settings must not be together, and what production asks for."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from gateway.settings.ceiling import descriptors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import SecretStr

    from gateway.settings.model import Settings

MIN_SECRET_BYTES = 32
"""Shorter secrets are weak: RFC 7518 §3.2 asks for keys as long as HS256's hash."""

DEVELOPMENT_SECRET = "fanout-gateway-development-secret-for-loopback-only"  # noqa: S105 - public on purpose
"""What tokens are signed with in development where no secret is set. Everybody can read it here."""

_HOW = (
    f"set it (or the same name with _FILE) to {MIN_SECRET_BYTES} random bytes or more, as `openssl rand -hex 32` gives"
)
_API_KEYS = ("api_read_keys", "api_publish_keys", "api_operate_keys")
_TOKENS = {"jwt_secret": "staff tokens", "table_token_secret": "table tokens"}


def violations(settings: Settings) -> list[str]:
    """One sentence for each rule that is broken; empty if the gateway may start."""
    return [*_combinations(settings), *(_production(settings) if _strict(settings) else _development(settings))]


def warnings(settings: Settings) -> tuple[str, ...]:
    """One sentence for each thing that is accepted and should not stay so."""
    return tuple(_warnings(settings))


def keys(unnamed: SecretStr | None, named: Mapping[str, SecretStr]) -> dict[str | None, str]:
    """Secrets by `kid`, the unnamed one first; the development secret if there is none at all."""
    found: dict[str | None, str] = {}
    if unnamed is not None:
        found[None] = unnamed.get_secret_value()
    found |= {kid: secret.get_secret_value() for kid, secret in named.items()}
    return found or {None: DEVELOPMENT_SECRET}


def _strict(settings: Settings) -> bool:
    return settings.environment == "production"


def _combinations(settings: Settings) -> Iterator[str]:
    if settings.fanout == "pure" and "sockets" in settings.model_fields_set and settings.sockets == "native":
        yield (
            "GATEWAY_SOCKETS is native and GATEWAY_FANOUT is pure: the pure core owns no sockets; "
            "leave GATEWAY_SOCKETS out, or set it to asgi"
        )
    if settings.heartbeat_timeout < settings.heartbeat_interval:
        yield (
            f"GATEWAY_HEARTBEAT_TIMEOUT is {settings.heartbeat_timeout:g}, below GATEWAY_HEARTBEAT_INTERVAL "
            f"({settings.heartbeat_interval:g}): healthy clients would be closed between two pings; expected at least "
            "the interval"
        )


def _production(settings: Settings) -> Iterator[str]:
    for name, purpose in _TOKENS.items():
        if name == "jwt_secret" and settings.issuers_file:
            continue  # others may issue; without a secret nobody else does
        if getattr(settings, name) is None and not getattr(settings, f"{name}s"):
            yield f"GATEWAY_{name.upper()} is missing: in production {purpose} need a secret of your own; {_HOW}"
    for name, secret in _secrets(settings):
        if secret == DEVELOPMENT_SECRET:
            yield f"{name} is the development secret, which everybody can read: in production {_HOW}"
        elif _weak(secret):
            yield f"{name} has {_size(secret)} bytes, which is weak: in production {_HOW}"
    if not settings.allowed_origins:
        yield (
            "GATEWAY_ALLOWED_ORIGINS is empty: in production list the origins of your web pages, "
            "for example https://app.example.com,https://admin.example.com"
        )


def _development(settings: Settings) -> Iterator[str]:
    names = _with_development_secret(settings)
    if names and not _loopback(settings.host):
        yield (
            f"{' and '.join(names)}: the development secret, which everybody can read, is for loopback only, and "
            f"GATEWAY_HOST is {settings.host!r}; {_HOW}, or listen on 127.0.0.1"
        )


def _warnings(settings: Settings) -> Iterator[str]:
    if names := _with_development_secret(settings):
        yield f"{' and '.join(names)}: the development secret is used, which everybody can read; do not go live with it"
    for name, secret in _secrets(settings):
        if secret != DEVELOPMENT_SECRET and _weak(secret):
            yield f"{name} has {_size(secret)} bytes, which is weak; production asks for {MIN_SECRET_BYTES} or more"
    if _strict(settings) and settings.operator_key is None:
        yield "GATEWAY_OPERATOR_KEY is not set: /ws/health/detailed and /ws/metrics refuse everybody"
    if _strict(settings) and not settings.redis_url:
        yield "GATEWAY_REDIS_URL is empty: the embedded server keeps its data for this process alone"
    if settings.max_connections > descriptors():
        yield (
            f"GATEWAY_MAX_CONNECTIONS is {settings.max_connections}, but the descriptor limit leaves {descriptors()}: "
            "raise it (ulimit -n, LimitNOFILE=)"
        )


def _with_development_secret(settings: Settings) -> list[str]:
    pools = {"GATEWAY_JWT_SECRET": settings.jwt_keys, "GATEWAY_TABLE_TOKEN_SECRET": settings.table_token_keys}
    return [name for name, pool in pools.items() if DEVELOPMENT_SECRET in pool.values()]


def _secrets(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every secret that is set, under the name to show for it."""
    for name in (*_TOKENS, "operator_key"):
        if (secret := getattr(settings, name)) is not None:
            yield f"GATEWAY_{name.upper()}", secret.get_secret_value()
        for kid, named in getattr(settings, f"{name}s", {}).items():
            yield f"GATEWAY_{name.upper()}S (kid {kid})", named.get_secret_value()
    for name in _API_KEYS:
        for holder, key in getattr(settings, name).items():
            yield f"GATEWAY_{name.upper()} ({holder})", key.get_secret_value()


def _size(secret: str) -> int:
    return len(secret.encode())


def _weak(secret: str) -> bool:
    return _size(secret) < MIN_SECRET_BYTES


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
