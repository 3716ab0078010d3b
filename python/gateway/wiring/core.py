"""The fan-out core."""

from __future__ import annotations

from gateway.fanout import NodeFanout, create_fanout
from gateway.fanout.base import BroadcastObserver, FanoutLimits
from gateway.telemetry.observers import BroadcastObservers
from gateway.wiring.ground import Ground


def fanout_core(ground: Ground, *observers: BroadcastObserver) -> NodeFanout:
    """Make the core that the settings ask for; it is not started. `observers` see broadcasts, beside the metrics.

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
        BroadcastObservers(*observers, counting=[ground.metrics]),
        ground.clock,
        production=not ground.development,
        reactors=settings.reactors,
    )
    ground.metrics.bind_core(fanout)
    ground.metrics.set_permits(
        broadcasts=limits.max_broadcasts,
        payload_bytes=limits.max_broadcast_bytes,
        room_broadcasts=limits.max_room_broadcasts,
    )
    return fanout
