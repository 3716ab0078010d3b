"""`gateway token staff` and `gateway token table`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from gateway.auth.claims import MAX_LIST
from gateway.auth.identity import Role
from gateway.auth.jwt import issue_staff_token
from gateway.auth.signing import Keys, signing_key
from gateway.auth.table_token import DEFAULT_EXPIRES_IN, issue_table_token
from gateway.cli.options import Expires, Tenant
from gateway.cli.speech import examples, note, result
from gateway.errors import SettingsError, TokenError
from gateway.settings import Settings
from gateway.types import MAX_ID, SystemClock

STAFF_EXAMPLES = examples(
    "gateway token staff --tenant 1 --user 12 --branch 5 --role WAITER --sector 9",
    "gateway token staff --tenant 1 --user boss --branch 5 --branch 6 --role ADMIN",
)
TABLE_EXAMPLES = examples("gateway token table --tenant 1 --branch 5 --table 42 --session 77")

_STAFF_EXPIRES = 3600
_USER = re.compile("[A-Za-z0-9_-]{1,64}", re.ASCII)


def _user(value: str) -> str:
    if _USER.fullmatch(value) is None:
        raise typer.BadParameter("expected 1 to 64 of the characters A-Z a-z 0-9 _ -")
    return value


def staff(
    *,
    tenant: Tenant,
    user: Annotated[
        str, typer.Option("--user", metavar="USER", callback=_user, help="User id: 1 to 64 of A-Z a-z 0-9 _ -.")
    ],
    branch: Annotated[
        list[int],
        typer.Option("--branch", metavar="ID", min=1, max=MAX_ID, help="A branch of the tenant; may be repeated."),
    ],
    role: Annotated[
        list[Role],
        typer.Option(
            "--role", metavar="ROLE", case_sensitive=False, help="WAITER, KITCHEN, MANAGER or ADMIN; may be repeated."
        ),
    ],
    sector: Annotated[
        list[int] | None,
        typer.Option(
            "--sector",
            metavar="ID",
            min=1,
            max=MAX_ID,
            show_default="looked up in Redis when connecting",
            help="A sector that the user is assigned to; may be repeated.",
        ),
    ] = None,
    expires: Expires = _STAFF_EXPIRES,
) -> None:
    """Print a token (a JWT) for a waiter, a kitchen screen, a manager or an admin.

    It is signed with GATEWAY_JWT_SECRET, or the first of GATEWAY_JWT_SECRETS; in development without either, with the
    development secret.

    Raises:
        SettingsError: the settings are malformed or unsafe.
    """
    settings = Settings.load()
    _check_expires(expires, settings)
    _warn(settings)
    kid, secret = _signing_key(settings.jwt_keys)
    try:
        token = issue_staff_token(
            secret,
            kid=kid,
            tenant=tenant,
            user=user,
            branches=_once(branch, "--branch"),
            roles=list(dict.fromkeys(role)),
            sectors=_once(sector, "--sector") if sector else None,
            expires_in=expires,
            clock=SystemClock(),
        )
    except TokenError as error:
        raise typer.BadParameter(str(error)) from None
    result(token)


def table(
    *,
    tenant: Tenant,
    branch: Annotated[int, typer.Option("--branch", metavar="ID", min=1, max=MAX_ID, help="The branch.")],
    table: Annotated[int, typer.Option("--table", metavar="ID", min=1, max=MAX_ID, help="The table.")],
    session: Annotated[
        int, typer.Option("--session", metavar="ID", min=1, max=MAX_ID, help="The party's session at the table.")
    ],
    expires: Expires = DEFAULT_EXPIRES_IN,
) -> None:
    """Print a table token for the diners of one table session.

    It is signed with GATEWAY_TABLE_TOKEN_SECRET, or the first of GATEWAY_TABLE_TOKEN_SECRETS; in development without
    either, with the development secret.

    Raises:
        SettingsError: the settings are malformed or unsafe.
    """
    settings = Settings.load()
    _check_expires(expires, settings)
    _warn(settings)
    kid, secret = _signing_key(settings.table_token_keys)
    try:
        token = issue_table_token(
            secret,
            kid=kid,
            tenant=tenant,
            branch=branch,
            table=table,
            session=session,
            expires_in=expires,
            clock=SystemClock(),
        )
    except TokenError as error:
        raise typer.BadParameter(str(error)) from None
    result(token)


def _check_expires(expires: int, settings: Settings) -> None:
    longest = settings.token_max_age
    if longest and expires > longest:
        raise typer.BadParameter(
            f"{expires} s is longer than a token may live: at most {longest} s (GATEWAY_TOKEN_MAX_AGE)",
            param_hint="--expires",
        )


def _warn(settings: Settings) -> None:
    for sentence in (*settings.warnings, *settings.unknown):
        note(sentence)


def _signing_key(keys: Keys) -> tuple[str | None, str]:
    key = signing_key(keys)
    if key is None:
        raise SettingsError("only the issuers of GATEWAY_ISSUERS_FILE sign staff tokens: set GATEWAY_JWT_SECRET too")
    return key


def _once(numbers: list[int], option: str) -> list[int]:
    unique = list(dict.fromkeys(numbers))
    if len(unique) > MAX_LIST:
        raise typer.BadParameter(f"at most {MAX_LIST} fit into a token", param_hint=option)
    return unique
