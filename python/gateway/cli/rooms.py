"""`gateway rooms`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.left_out import note_left_out
from gateway.cli.listing import AsJson, print_json, print_rows
from gateway.cli.operator_options import DEFAULT_URL, Key, ThisNode, Url, api_of
from gateway.cli.speech import examples, note
from gateway.types import MAX_ID

EXAMPLES = examples(
    "gateway rooms --tenant 1",
    "gateway rooms --limit 0 --json | jq 'select(.connections > 100)'",
)

HEADER = ("tenant", "branch", "connections", "audiences", "position")


def rooms(
    *,
    tenant: Annotated[
        int | None,
        typer.Option("--tenant", metavar="ID", min=1, max=MAX_ID, show_default=False, help="Of this tenant alone."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most so many; 0 shows all.")] = 100,
    this_node: ThisNode = False,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """List the branches in which somebody is, on every node: how many, in which audiences, and the last position.

    A connection may be in several audiences of its branch, and counts in each. A branch that is not listed has nobody:
    an event for it reaches no one. In a pipe there is one row a line, without the header, its columns separated by
    tabs.

    Raises:
        OperatorApiError: no gateway answers, or it refuses.
    """
    wanted = {"tenant": tenant, "nodes": "this" if this_node else "all"}
    pages = list(api_of(url, key).all_of("/rooms", "rooms", wanted, limit or None))
    found = [room for page in pages for room in page["rooms"]]
    if json:
        for room in found:
            print_json(room)
    elif found:
        print_rows(HEADER, map(_row, found))
    else:
        note("nobody is in any branch" + (f" of tenant {tenant}" if tenant else ""))
    note_left_out(pages, limit)


def _row(room: dict[str, Any]) -> tuple[object, ...]:
    return (
        room["tenant"],
        room["branch"],
        room["connections"],
        " ".join(f"{audience}={count}" for audience, count in sorted(room["audiences"].items())),
        room.get("position") or "-",
    )
