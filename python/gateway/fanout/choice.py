"""Which core a node runs on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from gateway.errors import CoreMissingError
from gateway.fanout.base import BroadcastObserver, FanoutLimits
from gateway.fanout.facade import NodeFanout
from gateway.fanout.pure import PureCore
from gateway.types import Clock

if TYPE_CHECKING:
    from gateway.fanout.native import NativeCore

Kind = Literal["auto", "native", "pure"]

logger = logging.getLogger("gateway.fanout")


def create_fanout(
    kind: Kind,
    limits: FanoutLimits,
    observer: BroadcastObserver | None = None,
    clock: Clock | None = None,
    *,
    production: bool = False,
    reactors: int = 0,
) -> NodeFanout:
    """A fan-out on the core that was asked for; `bind` its listener before the first connection.

    With `reactors` the native core owns sockets too, and so many threads are started for them here: call this after any
    fork. The pure core has none; where it is asked for by name, asking for reactors too is a contradiction.

    `auto` is the native core where the extension can be imported. Where it cannot, it is the pure one, with a warning;
    but not in production, where a slow twin in silence would be found out under load.

    Raises:
        CoreMissingError: the native core is needed and the extension cannot be imported.
        ValueError: reactors for the pure core, or more than 63.
        OSError: the system has no descriptors or threads left for the reactors.
    """
    if kind == "pure":
        if reactors:
            raise ValueError("the pure core owns no native sockets; expected 0 reactors, or the native core")
        return NodeFanout(PureCore(limits, clock), "pure", limits, observer=observer, clock=clock)
    try:
        core = _native_core(limits, reactors, clock)
    except CoreMissingError as error:
        if kind == "native" or production:
            raise
        logger.warning("%s; running the slower core in plain Python meanwhile", error)
        return NodeFanout(PureCore(limits, clock), "pure", limits, observer=observer, clock=clock)
    return NodeFanout(core, "native", limits, observer=observer, clock=clock, sockets=core if reactors else None)


def _native_core(limits: FanoutLimits, reactors: int, clock: Clock | None) -> NativeCore:
    # Here and not at the top: a node that runs the pure core must not need the extension.
    from gateway.fanout.native import NativeCore  # noqa: PLC0415

    if not reactors:
        return NativeCore(limits)
    from gateway.fanout.native_sockets import start_core  # noqa: PLC0415

    return start_core(limits, reactors, clock)
