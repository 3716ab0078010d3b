"""The demo from its first process to its last word."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from gateway.broker.embedded import EmbeddedServer
from gateway.broker.redis import create_broker
from gateway.demo.attendance import Attendance
from gateway.demo.back_end import BackEnd
from gateway.demo.display import Display, PlainDisplay, Programme
from gateway.demo.door import Door
from gateway.demo.errors import DemoError, root_cause
from gateway.demo.evening import Evening
from gateway.demo.gateway_process import GatewayProcess
from gateway.demo.live_display import LiveDisplay
from gateway.demo.port import free_port, is_free
from gateway.demo.report import summary_lines
from gateway.demo.scoreboard import Scoreboard
from gateway.demo.signals import asked_to_stop
from gateway.demo.tokens import TokenOffice
from gateway.demo.world import build_world
from gateway.endpoints.demo.assets import missing_client
from gateway.errors import GatewayError
from gateway.protocol.routing import RoutingTable
from gateway.settings import Settings
from gateway.types import SystemClock

DEFAULT_PORT = 8001


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked for.

    Attributes:
        seconds: how long the evening lasts; None is until Ctrl-C.
        port: where the gateway listens; None is 8001, or a free one where that is taken.
    """

    seconds: float | None = None
    port: int | None = None


async def run_demo(settings: Settings, options: DemoOptions, out: Console, note: Callable[[str], None]) -> bool:
    """Play an evening; whether every expected delivery came, and nothing else. For the main thread's event loop.

    The embedded server and the gateway are children of this process and are ended with it, however it ends. SIGINT and
    SIGTERM end the evening early, with its summary; a second one does not wait for deliveries. Before the doors open
    they have their usual effect.

    Args:
        settings: secrets to sign tokens with, and the routing table; the gateway reads the same environment.
        options: what was asked for.
        out: where the evening is shown.
        note: told what a user should know beside it.

    Raises:
        DemoError: the gateway did not start or ended, somebody could not connect, or the port that was asked for is
            taken.
        EmbeddedServerError: the embedded server did not start.
        BrokerError: Redis went away.
    """
    gateway = GatewayProcess(choose_port(options.port, note))
    scoreboard = Scoreboard()
    try:
        await _host(settings, options, gateway, scoreboard, out)
    except asyncio.CancelledError:
        gateway.forget_log()
        raise
    except GatewayError:
        note(f"the gateway's log is in {gateway.log}")
        raise
    summary = scoreboard.summary()
    for line in summary_lines(summary, scoreboard.faults):
        out.print(line, soft_wrap=True, highlight=False, markup=False)
    if summary.perfect:
        gateway.forget_log()
    else:
        note(f"the gateway's log is in {gateway.log}")
    return summary.perfect


async def _host(
    settings: Settings, options: DemoOptions, gateway: GatewayProcess, scoreboard: Scoreboard, out: Console
) -> None:
    """Put everything that an evening needs in place, play it, and clear away, however it ended."""
    rules = (RoutingTable.load(Path(settings.routing_file)) if settings.routing_file else RoutingTable()).rules
    async with contextlib.AsyncExitStack() as stack:
        server = EmbeddedServer()
        stack.push_async_callback(server.stop)
        redis_url = await server.start()
        stack.push_async_callback(gateway.stop)
        await gateway.start(_environment(redis_url))
        broker = create_broker(redis_url)
        stack.push_async_callback(broker.close)

        world = build_world()
        attendance = Attendance(rules)
        rng = random.Random()  # noqa: S311 - a simulation, not a secret
        back_end = BackEnd(broker, rules, attendance, scoreboard, rng)
        door = Door(gateway.url, TokenOffice(settings, SystemClock()), attendance, scoreboard)
        evening = Evening(world, door, back_end, rng)
        programme = Programme(
            gateway.url, len(world.branches), options.seconds, _hint(gateway.url), page_text(settings, gateway.url)
        )
        with _display(out, scoreboard, programme) as display, asked_to_stop() as stop:
            await _play(evening, gateway, display, options.seconds, stop)


async def _play(
    evening: Evening, gateway: GatewayProcess, display: Display, seconds: float | None, stop: asyncio.Event
) -> None:
    """Open, play, show, and close; the first failure of any part ends all of them."""
    try:
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(gateway.wait(), name="demo-gateway")
            await evening.open()
            opened = time.monotonic()
            show = group.create_task(_show(display, opened), name="demo-display")
            play = group.create_task(evening.play(), name="demo-evening")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await stop.wait()
            stop.clear()
            evening.last_orders()
            await play
            await _first(asyncio.create_task(evening.settle()), asyncio.create_task(stop.wait()))
            show.cancel()
            display.show(time.monotonic() - opened)
            await evening.go_home()
            watch.cancel()
    except BaseExceptionGroup as group_error:
        raise root_cause(group_error) from None


async def _show(display: Display, opened: float) -> None:
    while True:
        display.show(time.monotonic() - opened)
        await asyncio.sleep(display.interval)


async def _first(*tasks: asyncio.Task[object]) -> None:
    """Wait for one of the tasks and cancel the others; its failure is raised."""
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for task in done:
        task.result()


def choose_port(asked: int | None, note: Callable[[str], None]) -> int:
    """The port that was asked for, else the usual one, else, with a note, a free one.

    Raises:
        DemoError: the port that was asked for is taken.
    """
    if is_free(asked or DEFAULT_PORT):
        return asked or DEFAULT_PORT
    if asked is not None:
        raise DemoError(f"port {asked} is taken; give another with --port, or leave it out to get a free one")
    port = free_port()
    note(f"port {DEFAULT_PORT} is taken, so this gateway listens on {port}")
    return port


def _environment(redis_url: str) -> dict[str, str]:
    """The user's own settings, so that `gateway token` in another terminal signs tokens that are good here."""
    own = {name: value for name, value in os.environ.items() if name != "GATEWAY_REDIS_URL_FILE"}
    return {**own, "GATEWAY_REDIS_URL": redis_url, "PYTHONUNBUFFERED": "1"}


def page_text(settings: Settings, url: str) -> str:
    """Where the demo page is, or why it is not there."""
    if settings.environment != "development":
        return "No page: it is for development."
    if (why := missing_client()) is not None:
        return f"No page: {why}."
    return f"In a browser: {url.replace('ws:', 'http:', 1)}/demo"


def _hint(url: str) -> str:
    return (
        "gateway token staff --tenant 1 --user me --branch 1 --role MANAGER"
        f" | gateway tail --token - --as admin --url {url}"
    )


def _display(out: Console, scoreboard: Scoreboard, programme: Programme) -> Display:
    kind = LiveDisplay if out.is_terminal else PlainDisplay
    return kind(out, scoreboard, programme)
