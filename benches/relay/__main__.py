"""`python -m benches.relay`: events by Redis through gateways to their clients, by rooms and nodes."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benches.load.binaries import Binaries
from benches.load.errors import BenchError
from benches.load.machine import describe_machine, describe_versions
from benches.load.progress import progress
from benches.relay.measure import Seconds, measure
from benches.relay.record import PATH, Record
from benches.relay.report import relay_table
from benches.relay.routing import decode_and_route
from benches.relay.shape import SHAPES, Shape


def main(
    output: Annotated[Path, typer.Option(help="Where the result is kept.", show_default=False)] = PATH,
    shape: Annotated[list[str] | None, typer.Option(help="ROOMS,NODES; measured and not saved.")] = None,
) -> None:
    """Measure; progress on standard error, the table on standard output. Takes about five minutes.

    What was measured is kept after each arrangement: a run that was broken off goes on where it was.
    """
    try:
        record = _measure_some(shape) if shape else _measure_all(output)
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from None
    print(relay_table(record), end="")


def _measure_some(words: list[str]) -> Record:
    try:
        shapes = [Shape(*map(int, word.split(","))) for word in words]
    except (TypeError, ValueError):
        raise BenchError(f"--shape is {', '.join(words)}; expected ROOMS,NODES such as 100,2") from None
    binaries, record = Binaries.build(), _begun()
    for shape in shapes:
        record = record.with_more(measure(binaries, shape, Seconds()))
    return replace(record, whole=True)


def _measure_all(output: Path) -> Record:
    binaries, record = Binaries.build(), _begun()
    if output.exists() and record.goes_on_from(earlier := Record.load(output)):
        record = earlier
    left = [shape for shape in SHAPES if not record.has(shape)]
    with progress("relay", len(left)) as step:
        for shape in left:
            record = record.with_more(measure(binaries, shape, Seconds()))
            record.save(output)
            step(f"{shape.rooms:,} rooms on {shape.nodes} nodes")
    record = replace(record, whole=True)
    record.save(output)
    return record


def _begun() -> Record:
    return Record(
        date=datetime.now(UTC).date().isoformat(),
        machine=describe_machine(),
        versions=describe_versions(None),
        whole=False,
        # First, before the run itself makes the machine busy.
        busy=os.getloadavg()[0],
        decode_route=decode_and_route(),
    )


if __name__ == "__main__":
    typer.run(main)
