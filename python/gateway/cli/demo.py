"""`gateway demo`."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated

import typer

from gateway.cli.exits import ExitStatus
from gateway.cli.speech import examples, note
from gateway.settings import Settings

EXAMPLES = examples("gateway demo", "gateway demo --seconds 20", "gateway demo --seconds 5 --port 9001 | tail -8")


def _finite(seconds: float | None) -> float | None:
    if seconds is not None and not math.isfinite(seconds):
        raise typer.BadParameter("expected a number of seconds; leave it out to go on until Ctrl-C")
    return seconds


def demo(
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="N",
            min=0.1,
            callback=_finite,
            show_default="until Ctrl-C",
            help="Stop by itself after so many seconds.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="PORT",
            min=1,
            max=65_535,
            show_default="8001, or a free one where that is taken",
            help="TCP port of the gateway, on 127.0.0.1.",
        ),
    ] = None,
) -> None:
    """Run a gateway on an embedded Valkey, and a simulated evening in several restaurants.

    The gateway serves the demo page, too: an evening in one browser window, at the address that is printed.

    Waiters, kitchens, managers and diners of three tenants connect with tokens of their own; orders, service calls,
    carts and bills are published to Redis. Every client checks that it gets what the routing table gives it, in order
    and once, and nothing else; the exit status is 0 only if that was so to the last delivery.

    Raises:
        SettingsError: the settings are malformed or unsafe.
        GatewayError: something did not start, or ended by itself.
    """
    settings = Settings.load()
    # Imported here: the simulation's parts are of no use to the other commands.
    from gateway.demo.console import DemoConsole  # noqa: PLC0415
    from gateway.demo.runner import DemoOptions, run_demo  # noqa: PLC0415

    if not asyncio.run(run_demo(settings, DemoOptions(seconds, port), DemoConsole(), note)):
        raise typer.Exit(ExitStatus.FAILED)
