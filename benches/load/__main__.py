"""`python -m benches.load`: measure the gateway against a bare loop and its peers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benches.load.binaries import Binaries
from benches.load.contenders import Bench
from benches.load.cores import CLIENT_CORE, on_core
from benches.load.errors import BenchError
from benches.load.report import full_report, readme_table
from benches.load.result import FOLDER, Result
from benches.load.run import SCENARIOS, run
from benches.load.socketify_environment import socketify_python
from gateway.broker.embedded import EmbeddedServer

QUICK_CLIENTS = 200
QUICK_ROUNDS = 2


def main(
    scenario: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SCENARIOS)}; all by default.")] = None,
    clients: Annotated[list[int] | None, typer.Option(help="Instead of each scenario's own numbers.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="How often each contender is measured.")] = 7,
    sockets: Annotated[str, typer.Option(help="Who owns the gateway's sockets: native or asgi.")] = "native",
    output: Annotated[Path, typer.Option(help="Folder of the results.", show_default=False)] = FOLDER,
    *,
    socketify: Annotated[bool, typer.Option(help="Measure socketify too, which is installed if need be.")] = True,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"{QUICK_CLIENTS} clients, {QUICK_ROUNDS} rounds, nothing saved.")
    ] = False,
    readme: Annotated[
        bool, typer.Option("--readme", help="Measure nothing; print the README's table of the newest result.")
    ] = False,
) -> None:
    """Measure; progress on standard error, the table on standard output. Takes about a quarter of an hour."""
    try:
        if readme:
            print(readme_table(Result.latest(output)), end="")
            return
        result = _measure(
            list(SCENARIOS) if scenario is None else scenario,
            [QUICK_CLIENTS] if quick and not clients else clients or [],
            rounds=QUICK_ROUNDS if quick else rounds,
            sockets=sockets,
            socketify=socketify,
        )
        if not quick:
            result.save(output)
        print(full_report(result), end="")
    except BenchError as error:
        typer.echo(f"bench: {error}", err=True)
        raise typer.Exit(1) from None


def _measure(names: list[str], clients: list[int], *, rounds: int, sockets: str, socketify: bool) -> Result:
    if unknown := [name for name in names if name not in SCENARIOS]:
        raise BenchError(f"there is no scenario {unknown[0]!r}; expected {', '.join(SCENARIOS)}")
    if sockets not in ("native", "asgi"):
        raise BenchError(f"--sockets is {sockets!r}; expected native or asgi")
    binaries = Binaries.build()
    # Redis on the clients' core: what it does is no part of the server's CPU.
    with on_core(CLIENT_CORE), EmbeddedServer.running() as redis_url:
        bench = Bench(
            binaries,
            redis_url,
            sockets,
            rounds=rounds,
            socketify=socketify_python() if socketify else None,
        )
        return run(bench, names, clients)


if __name__ == "__main__":
    typer.run(main)
