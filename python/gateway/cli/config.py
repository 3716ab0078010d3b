"""`gateway config`."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.listing import AsJson, print_json, print_rows
from gateway.cli.speech import examples, note
from gateway.settings import list_settings

EXAMPLES = examples(
    "gateway config",
    "gateway config --changed",
    "gateway config --json | jq -r 'select(.name == \"GATEWAY_PORT\").value'",
)


def config(
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not left at its default.")] = False,
    json: AsJson = False,
) -> None:
    """Print every setting as a gateway that is started here would have it: value, unit, and where the value is from.

    Secrets are not shown, only how long they are. Nothing is started, and Redis is not asked. Variables that are no
    settings are named on standard error. In a pipe there is one row a line, without the header, its columns separated
    by tabs.

    Raises:
        SettingsError: the settings are malformed or unsafe.
    """
    lines, unknown = list_settings()
    shown = [line for line in lines if not changed or line.origin != "default"]
    if json:
        for line in shown:
            print_json(line._asdict())
    elif shown:
        print_rows(("setting", "value", "unit", "from"), [line[:4] for line in shown])
    else:
        note("every setting is at its default")
    for sentence in unknown:
        note(sentence)
