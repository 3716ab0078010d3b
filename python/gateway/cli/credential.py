"""Which token `gateway tail` connects with, and where."""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple

import typer

TOKEN_VARIABLE = "GATEWAY_TOKEN"  # noqa: S105 - names, not tokens
TABLE_TOKEN_VARIABLE = "GATEWAY_TABLE_TOKEN"  # noqa: S105

# What a subprotocol may consist of (RFC 9110 §5.6.2, `token`); every token of the gateway does. Anything else would
# break the handshake's header apart.
_SENDABLE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_LONGEST = 16_384


class Credential(NamedTuple):
    """A token, and the endpoint that takes it."""

    token: str
    endpoint: str


def choose_credential(token: str | None, endpoint: str | None, table_token: str | None) -> Credential:
    """Make one credential of the options; what is not given comes from the environment.

    Raises:
        typer.BadParameter: the options contradict each other, no token is given, or it cannot be one.
    """
    if token is not None and table_token is not None:
        raise typer.BadParameter("give --token or --table-token, not both")
    if table_token is not None and endpoint is not None:
        raise typer.BadParameter("--as is for staff tokens; with --table-token a diner is meant")
    if token is None and table_token is None:
        # An option that was given says which of two variables is meant.
        if endpoint is None:
            table_token = os.environ.get(TABLE_TOKEN_VARIABLE)
        if table_token is None:
            token = os.environ.get(TOKEN_VARIABLE)
    if table_token is not None:
        return Credential(_read(table_token, "--table-token"), "diner")
    if token is None:
        raise typer.BadParameter(
            f"no token: give --token T --as waiter|kitchen|admin, or --table-token T, or set {TOKEN_VARIABLE} or "
            f"{TABLE_TOKEN_VARIABLE}; `gateway token --help` shows how to get one"
        )
    if endpoint is None:
        raise typer.BadParameter("--as is missing: say with --as waiter|kitchen|admin where to connect with the token")
    return Credential(_read(token, "--token"), endpoint)


def _read(value: str, option: str) -> str:
    token = sys.stdin.readline(_LONGEST).strip() if value == "-" else value
    if _SENDABLE.fullmatch(token) is None:
        # Not shown: it may be most of a token.
        raise typer.BadParameter(
            "that is not a token; expected one line as `gateway token` prints it, without spaces", param_hint=option
        )
    return token
