"""Results that are lists: for eyes in a terminal, for programs in a pipe, or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.speech import result

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]

PIPED = "In a pipe there is one row a line, without the header, its columns separated by tabs."
"""For the help text of whatever prints with `print_rows`."""


def printable(text: str) -> str:
    """The text without anything that moves a cursor or breaks a line: what strangers wrote is shown escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def print_rows(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: aligned and with its header in a terminal, else one row a line, columns separated by tabs.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    if not sys.stdout.isatty():
        for row in rows:
            result("\t".join(printable(str(cell)) for cell in row))
        return
    Console().print(table_of(header, rows))


def table_of(header: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> Table:
    """A table without lines; numbers to the right."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left", title_style="bold")
    shown = [list(row) for row in rows]
    for number, name in enumerate(header):
        numeric = bool(shown) and all(isinstance(row[number], int | float) for row in shown)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in shown:
        drawn.add_row(*(Text(printable(str(cell))) for cell in row))
    return drawn


def print_json(item: Mapping[str, Any]) -> None:
    """Print one object on one line. ASCII, so that nothing in it can move a cursor.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    result(json.dumps(item, separators=(",", ":")))
