"""`gateway delivery`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.exits import ExitStatus
from gateway.cli.left_out import note_silent
from gateway.cli.listing import AsJson, print_json, print_rows, printable
from gateway.cli.operator_options import DEFAULT_URL, Key, Url, api_of
from gateway.cli.quantities import when
from gateway.cli.speech import examples, note, result
from gateway.protocol.positions import parse_id
from gateway.types import MAX_ID

EXAMPLES = examples(
    "gateway delivery 1732449000000-0",
    "gateway delivery 1732449000000-0 --connection 9f1c2ab4-17",
)

HEADER = ("node", "entitled", "sent", "queued", "dropped", "until (UTC)", "seconds")

_WORDS = {True: "yes", False: "no", None: "unknown"}


def checked_event_id(event_id: str) -> str:
    """Callback of an argument: the id of an event.

    Raises:
        BadParameter: it is none.
    """
    try:
        parse_id(event_id)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return event_id


def delivery(
    event_id: Annotated[
        str, typer.Argument(metavar="EVENT", callback=checked_event_id, help="Its id: what emit printed, or event_id.")
    ],
    *,
    connection: Annotated[
        str | None,
        typer.Option(
            "--connection",
            metavar="NAME",
            show_default=False,
            help="Say whether this connection got it, and if not, why; `gateway connections` shows the names.",
        ),
    ] = None,
    tenant: Annotated[
        int | None,
        typer.Option("--tenant", metavar="ID", min=1, max=MAX_ID, show_default=False, help="The event's tenant."),
    ] = None,
    branch: Annotated[
        int | None,
        typer.Option("--branch", metavar="ID", min=1, max=MAX_ID, show_default=False, help="The event's branch."),
    ] = None,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Show what became of a critical event on each node: to how many it was to go, was sent, waits, or was lost.

    Nodes remember the last 10,000 events; with --tenant and --branch an older one is looked up in history. With
    --connection the answer is yes, no or unknown, a tab, and why; the exit status is 1 unless it is yes. In a pipe
    there is one row a node, without the header, its columns separated by tabs.

    Raises:
        BadParameter: one of --tenant and --branch without the other.
        OperatorApiError: no gateway answers, it refuses, or it knows no such event.
    """
    if (tenant is None) != (branch is None):
        raise typer.BadParameter("--tenant and --branch name a branch together: give both, or none")
    api = api_of(url, key)
    if connection is not None:
        receipt = api.get(f"/events/{event_id}/connections/{quote(connection, safe='')}")
        if json:
            print_json(receipt)
        else:
            result(f"{_WORDS.get(receipt.get('got_it'), 'unknown')}\t{printable(str(receipt.get('why')))}")
        if receipt.get("got_it") is not True:
            raise typer.Exit(ExitStatus.FAILED)
        return
    report = api.get(f"/events/{event_id}", {"tenant": tenant, "branch": branch})
    nodes: list[dict[str, Any]] = report.get("nodes") or []
    if json:
        print_json(report)
    elif nodes:
        print_rows(HEADER, map(_row, nodes))
    if not nodes:
        note(f"no node remembers whom it reached: nobody was in branch {report.get('branch')}, or it is too long ago")
    note_silent([report])


def _row(node: dict[str, Any]) -> tuple[object, ...]:
    dropped = node.get("dropped") or {}
    return (
        node.get("node"),
        node.get("matched"),
        node.get("sent"),
        node.get("queued"),
        " ".join(f"{reason}={count}" for reason, count in sorted(dropped.items())) or "0",
        when(node.get("at") or 0),
        f"{node.get('seconds') or 0:.3f}",
    )
