"""`gateway top`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from gateway.cli.exits import ExitStatus
from gateway.cli.interruptible_pause import interruptible_pause
from gateway.cli.listing import AsJson, print_json, print_rows
from gateway.cli.node_sample import NodeSample
from gateway.cli.operator_api import OperatorApi, OperatorApiError
from gateway.cli.operator_options import DEFAULT_URL, Key, Url, api_of
from gateway.cli.speech import examples, note
from gateway.cli.top_display import HEADER, as_json, node_rows, picture

EXAMPLES = examples(
    "gateway top",
    "gateway top --url https://gateway.example --interval 5",
    "gateway top --count 1 --json | jq .troubles",
)


def top(
    *,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.2, max=3600, help="How often it looks.")
    ] = 2.0,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", min=1, show_default="never", help="Stop after so many looks."),
    ] = None,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    key: Key = None,
) -> None:
    """Watch every node: connections, events, deliveries, drops, what waits, who is the relay, and what is wrong.

    Rates are those since the look before. In a terminal the picture is drawn anew each time, until Ctrl-C; a gateway
    that goes away is said, and waited for. In a pipe there is one line a node and look, with the time in front and its
    columns separated by tabs; with --json one object a look.

    Raises:
        OperatorApiError: no gateway answers at the first look, or it refuses.
    """
    api = api_of(url, key)
    drawn = sys.stdout.isatty() and not json
    try:
        with (
            interruptible_pause() as pause,
            Live(console=Console(), auto_refresh=False) if drawn else nullcontext() as live,
        ):
            for before, now, complaint in looks(api, interval, count, time.monotonic, pause):
                if live is not None:
                    live.update(picture(before, now, url=url, complaint=complaint), refresh=True)
                elif complaint:
                    note(complaint)
                elif json:
                    print_json(as_json(before, now, time.time()))
                else:
                    stamp = f"{time.time():.3f}"
                    print_rows(("time", *HEADER), [(stamp, *row) for row in node_rows(before, now)])
    except KeyboardInterrupt:
        # Watching has no other end; to stop it is success.
        raise typer.Exit(ExitStatus.DONE) from None


def looks(
    api: OperatorApi,
    interval: float,
    count: int | None,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> Iterator[tuple[NodeSample | None, NodeSample, str]]:
    """Look again and again: the sample before, the last one, and why there is no newer one, or an empty text.

    Args:
        api: of any node.
        interval: seconds between two looks.
        count: how many looks; None never ends.
        monotonic: a clock.
        sleep: waits for some seconds.

    Raises:
        OperatorApiError: the first look fails, or the key is refused.
    """
    before: NodeSample | None = None
    now: NodeSample | None = None
    looked = 0
    while True:
        looked += 1
        try:
            answer = api.get("/nodes")
        except OperatorApiError as error:
            # A key that was good and is not any more will not become good by waiting.
            if now is None or error.status in (401, 403):
                raise
            yield before, now, str(error)
        else:
            before, now = now, NodeSample.of(answer, monotonic())
            yield before, now, ""
        if looked == count:
            return
        sleep(interval)
