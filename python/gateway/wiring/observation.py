"""What looks at the node and at Redis by itself, for the metrics."""

from __future__ import annotations

from gateway.broker.redis_commands import RedisCommands
from gateway.broker.redis_reader import RedisNumbers
from gateway.telemetry.loop_lag import LoopLag
from gateway.telemetry.redis_monitor import RedisMonitor
from gateway.wiring.ground import Ground


def start_observation(ground: Ground, commands: RedisCommands) -> None:
    """Make and start it; it stops with everything else."""
    lag = LoopLag(ground.metrics.loop_lag.observe, ground.clock)
    monitor = RedisMonitor(RedisNumbers(commands), ground.metrics.redis)
    for part in (lag, monitor):
        ground.stack.push_async_callback(part.stop)
        part.start()
