"""What looks at the node and at Redis by itself, for the metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_reader import RedisNumbers
from gateway.errors import SettingsError
from gateway.fanout.base import BroadcastObserver
from gateway.telemetry.broadcast_log import BroadcastLog
from gateway.telemetry.logging import get_logger
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.redis_monitor import RedisMonitor
from gateway.wiring.ground import Ground

_log = get_logger("gateway")


EXPORT_SECONDS: Final = 5.0
"""How long a stop waits for the last spans to be exported."""


def broadcast_observers(ground: Ground) -> list[BroadcastObserver]:
    """Those beside the metrics that the settings ask for.

    Raises:
        SettingsError: tracing is switched on, and OpenTelemetry is not installed.
    """
    observers: list[BroadcastObserver] = []
    if BroadcastLog.is_wanted():
        observers.append(BroadcastLog())
    if ground.settings.tracing == "on":
        try:
            # Here and not at the top: it is there with an extra alone.
            from gateway.telemetry.tracing import start_tracing  # noqa: PLC0415
        except ImportError as error:
            raise SettingsError(
                f"GATEWAY_TRACING is on, and OpenTelemetry is not there ({error}): "
                "install fanout-gateway[otel], or switch it off"
            ) from error
        tracer, end = start_tracing()
        ground.stack.push_async_callback(_export, end)
        observers.append(tracer)
    return observers


async def _export(end: Callable[[], None]) -> None:
    # It waits for a collector, which may be away. Not `asyncio.to_thread`: the end of the loop would wait for that.
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def export() -> None:
        end()
        with suppress(RuntimeError):  # nobody waits any more, and the loop is closed
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=export, name="gateway-export", daemon=True).start()
    try:
        async with asyncio.timeout(EXPORT_SECONDS):
            await ended.wait()
    except TimeoutError:
        _log.warning("the last spans were not exported in time", seconds=EXPORT_SECONDS)


def start_observation(ground: Ground, commands: RedisCommands) -> None:
    """Make and start it; it stops with everything else."""
    lag = LoopLag(ground.metrics.loop_lag.observe, ground.clock)
    monitor = RedisMonitor(RedisNumbers(commands), ground.metrics.redis)
    for part in (lag, monitor):
        ground.stack.push_async_callback(part.stop)
        part.start()
