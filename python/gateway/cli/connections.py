"""`gateway connections`."""

from __future__ import annotations

import time
from enum import StrEnum
from itertools import islice
from typing import Annotated, Any

import typer

from gateway.cli.left_out import note_left_out
from gateway.cli.listing import AsJson, print_json, print_rows
from gateway.cli.operator_options import DEFAULT_URL, Key, ThisNode, Url, api_of
from gateway.cli.quantities import size, span
from gateway.cli.speech import examples, note
from gateway.types import MAX_ID

EXAMPLES = examples(
    "gateway connections --tenant 1 --branch 5 --endpoint kitchen",
    "gateway connections --tenant 1 --user 12",
    "gateway connections --limit 0 --json | jq -r .subject | sort | uniq -c | sort -n",
)

HEADER = ("connection", "tenant", "who", "endpoint", "branches", "connected for", "token for", "waiting", "position")


class Endpoint(StrEnum):
    """Where a client may be connected."""

    WAITER = "waiter"
    KITCHEN = "kitchen"
    ADMIN = "admin"
    DINER = "diner"


def connections(
    *,
    tenant: Annotated[
        int | None,
        typer.Option("--tenant", metavar="ID", min=1, max=MAX_ID, show_default=False, help="Of this tenant alone."),
    ] = None,
    branch: Annotated[
        int | None,
        typer.Option("--branch", metavar="ID", min=1, max=MAX_ID, show_default=False, help="In this branch of it."),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="USER", show_default=False, help="Of this user of it.")
    ] = None,
    session: Annotated[
        int | None,
        typer.Option(
            "--session", metavar="ID", min=1, max=MAX_ID, show_default=False, help="Of this table session of it."
        ),
    ] = None,
    endpoint: Annotated[
        Endpoint | None,
        typer.Option("--endpoint", metavar="NAME", show_default=False, help="waiter, kitchen, admin or diner."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 shows all.")] = 100,
    this_node: ThisNode = False,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List who is connected, on every node: where, since when, what waits for them, and how far they are.

    The position is up to where critical events of each branch were passed to the connection. --branch, --user and
    --session want --tenant. In a pipe there is one row a line, without the header, its columns separated by tabs.

    Raises:
        BadParameter: a filter that has a meaning in a tenant alone, without one.
        OperatorApiError: no gateway answers, or it refuses.
    """
    if tenant is None and (branch, user, session) != (None, None, None):
        raise typer.BadParameter("--branch, --user and --session have a meaning in a tenant alone: give --tenant too")
    wanted = {
        "tenant": tenant,
        "branch": branch,
        "user": user,
        "session": session,
        "endpoint": endpoint.value if endpoint else None,
        "nodes": "this" if this_node else "all",
    }
    pages = list(api_of(url, key).all_of("/connections", "connections", wanted, limit or None))
    found = [connection for page in pages for connection in page["connections"]]
    if json:
        for connection in found:
            print_json(connection)
    elif found:
        now = time.time()
        print_rows(HEADER, [_row(connection, now) for connection in found])
    else:
        note("nobody is connected who would fit")
    note_left_out(pages, limit)


def _row(connection: dict[str, Any], now: float) -> tuple[object, ...]:
    since, expires = connection.get("since"), connection.get("expires_at")
    positions = connection.get("positions") or {}
    return (
        connection["connection"],
        connection["tenant"],
        connection["subject"],
        connection.get("endpoint") or "-",
        ",".join(map(str, connection["branches"])),
        "-" if since is None else span(now - since),
        "-" if expires is None else span(expires - now),
        size(connection.get("outbox_bytes")),
        " ".join(f"{branch}:{position}" for branch, position in islice(positions.items(), 3))
        + (" …" if len(positions) > 3 else ""),  # noqa: PLR2004 - what fits
    )
