"""Which core a node runs on."""

from __future__ import annotations

import logging
from typing import Literal

from gateway.errors import CoreMissingError
from gateway.fanout.base import BroadcastObserver, FanoutCore, FanoutLimits
from gateway.fanout.facade import AsgiFanout
from gateway.fanout.pure import PureCore
from gateway.types import Clock

Kind = Literal["auto", "native", "pure"]

logger = logging.getLogger("gateway.fanout")


def create_fanout(
    kind: Kind,
    limits: FanoutLimits,
    observer: BroadcastObserver | None = None,
    clock: Clock | None = None,
    *,
    production: bool = False,
) -> AsgiFanout:
    """A fan-out on the core that was asked for; `bind` its listener before the first connection.

    `auto` is the native core where the extension can be imported. Where it cannot, it is the pure one, with a warning;
    but not in production, where a slow twin in silence would be found out under load.

    Raises:
        CoreMissingError: the native core is needed and the extension cannot be imported.
    """
    if kind == "pure":
        return AsgiFanout(PureCore(limits), "pure", limits, observer=observer, clock=clock)
    try:
        core = _native_core(limits)
    except CoreMissingError as error:
        if kind == "native" or production:
            raise
        logger.warning("%s; running the slower core in plain Python meanwhile", error)
        return AsgiFanout(PureCore(limits), "pure", limits, observer=observer, clock=clock)
    return AsgiFanout(core, "native", limits, observer=observer, clock=clock)


def _native_core(limits: FanoutLimits) -> FanoutCore:
    # Here and not at the top: a node that runs the pure core must not need the extension.
    from gateway.fanout.native import NativeCore  # noqa: PLC0415

    return NativeCore(limits)
