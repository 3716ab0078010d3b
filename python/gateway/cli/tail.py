"""`gateway tail`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, cast

import typer

from gateway.cli.credential import Credential, choose_credential
from gateway.cli.exits import ExitStatus
from gateway.cli.interrupt import run_until_interrupted
from gateway.cli.listener import ONCE, Listener
from gateway.cli.speech import examples
from gateway.cli.websocket_url import checked_url
from gateway.client import Endpoint, Timing

EXAMPLES = examples(
    "gateway tail --as kitchen --token $(gateway token staff ...)",
    "gateway token table --tenant 1 --branch 5 --table 42 --session 77 \\\n    | gateway tail --table-token -",
    "GATEWAY_TOKEN=... gateway tail --as admin --count 1",
)


class StaffEndpoint(StrEnum):
    """The endpoints that take a staff token."""

    WAITER = "waiter"
    KITCHEN = "kitchen"
    ADMIN = "admin"


def tail(
    *,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="T",
            show_default="GATEWAY_TOKEN",
            help="A staff token; - reads it from standard input, so that it stands in no shell history.",
        ),
    ] = None,
    as_: Annotated[
        StaffEndpoint | None,
        typer.Option(
            "--as",
            metavar="ENDPOINT",
            show_default=False,
            help="waiter, kitchen or admin: where to connect with the staff token.",
        ),
    ] = None,
    table_token: Annotated[
        str | None,
        typer.Option(
            "--table-token",
            metavar="T",
            show_default="GATEWAY_TABLE_TOKEN",
            help="A table token, to connect as a diner; - reads it from standard input.",
        ),
    ] = None,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", callback=checked_url, help="The gateway, ws:// or wss://.")
    ] = "ws://127.0.0.1:8001",
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, show_default="never", help="Stop after so many events."),
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Print pongs too.")] = False,
    reconnect: Annotated[
        bool,
        typer.Option("--reconnect", help="Come back after a loss, and resume where it left off."),
    ] = False,
) -> None:
    """Connect as a client and print what it receives, one JSON a line.

    Printed are welcome, events, gaps and errors. The token goes as a subprotocol and never in the URL. Ctrl-C ends it
    with status 0, as does a normal close by the gateway; any other end of the connection is explained on standard
    error, with status 1. With --reconnect that is so only where the client gives up.

    Raises:
        TailError: see `Listener.listen`.
    """
    credential: Credential = choose_credential(token, None if as_ is None else as_.value, table_token)
    listener = Listener(
        url,
        cast("Endpoint", credential.endpoint),  # one of `StaffEndpoint`, or the diners'
        credential.token,
        count=count,
        show_all=show_all,
        timing=Timing() if reconnect else ONCE,
    )
    try:
        run_until_interrupted(listener.listen())
    except KeyboardInterrupt:
        # Listening has no other end; to stop it is success.
        raise typer.Exit(ExitStatus.DONE) from None
