"""The fan-out core."""

from __future__ import annotations

from gateway.fanout import NodeFanout, create_fanout
from gateway.fanout.base import FanoutLimits
from gateway.wiring.ground import Ground


def fanout_core(ground: Ground) -> NodeFanout:
    """Make the core that the settings ask for; it is not started.

    Raises:
        CoreMissingError: the native core is asked for, and the extension is not there.
    """
    settings = ground.settings
    limits = FanoutLimits(
        max_broadcasts=settings.broadcast_queue,
        message_rate=settings.message_rate,
        max_message_bytes=settings.max_message_bytes,
        heartbeat_timeout=settings.heartbeat_timeout,
        workers=settings.broadcast_workers,
    )
    fanout = create_fanout(
        settings.fanout,
        limits,
        ground.metrics,
        ground.clock,
        production=not ground.development,
        reactors=settings.reactors,
    )
    ground.metrics.bind_core(fanout.stats)
    return fanout
