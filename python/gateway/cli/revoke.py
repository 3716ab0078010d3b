"""`gateway revoke`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from gateway.broker.failures import LIBRARY_ERRORS, broker_error
from gateway.cli.options import RedisUrl
from gateway.cli.redis_url import find_redis_url
from gateway.cli.speech import examples, note, result
from gateway.client import Revoked, Revoker
from gateway.errors import SettingsError
from gateway.redis_url import redact_url
from gateway.settings import Settings
from gateway.types import MAX_ID

EXAMPLES = examples(
    "gateway revoke --jti 5f0c7b0a9d6e4f1c8f0e2b7d1a3c4e5f",
    "gateway revoke --tenant 1 --user 12",
    "gateway revoke --tenant 1 --session 77",
    "gateway revoke --tenant 1",
)

_TIMEOUT = 5.0

# A back end's machine has none of the gateway's secrets, and revoking needs none.
_VARIABLES = ("GATEWAY_REDIS_URL", "GATEWAY_REDIS_URL_FILE", "GATEWAY_TOKEN_MAX_AGE")


def revoke(
    *,
    jti: Annotated[
        str | None, typer.Option("--jti", metavar="JTI", show_default=False, help="One staff token, by its id.")
    ] = None,
    tenant: Annotated[
        int | None,
        typer.Option("--tenant", metavar="ID", min=1, max=MAX_ID, show_default=False, help="The tenant."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", show_default=False, help="All tokens of this user.")
    ] = None,
    session: Annotated[
        int | None,
        typer.Option(
            "--session", metavar="ID", min=1, max=MAX_ID, show_default=False, help="All tokens of this table session."
        ),
    ] = None,
    redis_url: RedisUrl = None,
) -> None:
    """Take tokens back, and print how many gateways heard it at once.

    Give --jti alone, or --tenant with --user, with --session, or alone for everybody of the tenant. Tokens that were
    issued until now are refused from now on, and connections with them are closed with 4001 on every node; tokens that
    are issued later are good. A gateway that cannot hear it closes them when it can, or at their next revalidation.

    Raises:
        SettingsError: the settings are malformed.
        BrokerError: Redis is away or refuses.
        EmbeddedServerError: no Redis URL is given, and there is no embedded server to find.
    """
    _check_options(jti, tenant, user, session)
    environ = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    settings = Settings.load(environ, redis_url=redis_url)
    url = find_redis_url(settings)
    where = redact_url(url)
    try:
        with Revoker.from_url(
            url, token_max_age=settings.token_max_age, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT
        ) as revoker:
            revoked = _carry_out(revoker, jti, tenant, user, session)
    except LIBRARY_ERRORS as error:
        raise broker_error(where, error) from error
    except ValueError as error:
        raise SettingsError(f"the Redis URL {where} cannot be used: {error}") from None
    result(str(revoked.nodes))
    if not revoked.nodes:
        note("no gateway listens on this Redis; one that comes will refuse these tokens")


def _check_options(jti: str | None, tenant: int | None, user: str | None, session: int | None) -> None:
    if jti is not None and (tenant, user, session) != (None, None, None):
        raise typer.BadParameter("--jti names one token of whatever tenant; give it alone")
    if jti is None and tenant is None:
        raise typer.BadParameter("say who: --jti JTI, or --tenant ID with --user USER, with --session ID, or alone")
    if user is not None and session is not None:
        raise typer.BadParameter("give --user or --session, not both")


def _carry_out(revoker: Revoker, jti: str | None, tenant: int | None, user: str | None, session: int | None) -> Revoked:
    try:
        if jti is not None:
            return revoker.revoke_token(jti)
        assert tenant is not None  # noqa: S101 - `_check_options` has seen to it
        if user is not None:
            return revoker.revoke_user(tenant, user)
        return revoker.revoke_tenant(tenant) if session is None else revoker.revoke_session(tenant, session)
    except ValueError:
        expected = "1 to 128 printable ASCII characters without space" if user is None else "1 to 64 of A-Z a-z 0-9 _ -"
        raise typer.BadParameter(f"expected {expected}", param_hint="--jti" if user is None else "--user") from None
