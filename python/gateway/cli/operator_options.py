"""Options of the commands that ask a running gateway: where it is, and the key to its operator API."""

from __future__ import annotations

import ipaddress
import os
import sys
from typing import Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli.operator_api import OperatorApi
from gateway.cli.speech import note
from gateway.errors import SettingsError
from gateway.settings import FILE_SUFFIX, read_secret

VARIABLE = "GATEWAY_OPERATOR_KEY"

DEFAULT_URL = "http://127.0.0.1:8001"

_EXPECTED = "expected http://host:port or https://host/prefix"


def checked_url(url: str) -> str:
    """Option callback: a base URL to which the API's paths can be added.

    Raises:
        BadParameter: it is none.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed on access
    except ValueError as error:
        raise typer.BadParameter(f"{error}; {_EXPECTED}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise typer.BadParameter(f"{url!r} is not the URL of an HTTP server; {_EXPECTED}")
    if parts.query or parts.fragment or "@" in parts.netloc:
        # Not shown: it may hold a key.
        raise typer.BadParameter(f"no query, fragment or user belongs there, and a key never does; {_EXPECTED}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise typer.BadParameter(f"a URL is ASCII without spaces; {_EXPECTED}")
    return url.rstrip("/")


def checked_url_or_none(url: str | None) -> str | None:
    """The same for an option that may be left out."""
    return None if url is None else checked_url(url)


Url = Annotated[str, typer.Option("--url", metavar="URL", callback=checked_url, help="The gateway, or one of them.")]

Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="K",
        show_default=VARIABLE,
        help="A key to the operator API; - reads it from standard input, so that it stands in no shell history.",
    ),
]

ThisNode = Annotated[bool, typer.Option("--this-node", help="Only of the node that answers, not of all.")]


def api_of(url: str, key: str | None) -> OperatorApi:
    """The API, with the key of the option or of the environment; a key that goes out in clear is warned about.

    Raises:
        BadParameter: the option is no key.
        SettingsError: the environment's is none, or its file cannot be read.
    """
    chosen = _checked(sys.stdin.readline().strip() if key == "-" else key, "--key") if key else _of_environment()
    parts = urlsplit(url)
    if chosen and parts.scheme == "http" and not _loopback(parts.hostname or ""):
        note(f"the key goes to {parts.hostname} in clear; use https:// where others may listen")
    return OperatorApi(url, chosen)


def _of_environment() -> str | None:
    key, file = os.environ.get(VARIABLE), os.environ.get(VARIABLE + FILE_SUFFIX)
    if key and file:
        raise SettingsError(f"{VARIABLE} and {VARIABLE}{FILE_SUFFIX} are both set: keep one of them")
    if file:
        try:
            key = read_secret(file)
        except ValueError as error:
            raise SettingsError(f"{VARIABLE}{FILE_SUFFIX}: {error}") from None
    if key and not _sendable(key):
        raise SettingsError(f"{VARIABLE} cannot stand in a header; expected printable ASCII")
    return key or None


def _checked(key: str, name: str) -> str:
    if not _sendable(key):
        raise typer.BadParameter("not a key: expected printable ASCII", param_hint=name)
    return key


def _sendable(key: str) -> bool:
    return bool(key) and key.isascii() and key.isprintable()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
