"""What the console's routes need of the gateway behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from gateway.endpoints.api.status import NodeStatus
from gateway.endpoints.console.token_maker import TokenMaker
from gateway.endpoints.edge import Edge
from gateway.hub.slow_clients import SlowClients
from gateway.ingest.tap import EventTap
from gateway.types import Clock

MAX_SOCKETS: Final = 8
"""Operators that look at one process at a time: each costs the event loop a status a second and a tail."""

FRESH_SECONDS: Final = 0.5
"""How old a status may be that another operator is shown too: half of what lies between two of one operator's."""


@dataclass(slots=True)
class Desk:
    """Filled by the composition root. For one event loop.

    Attributes:
        edge: who may look, and whether this is development.
        make_status: the node's numbers; it does not raise for a Redis that is away.
        tap: where events are seen.
        slow_clients: who was closed for reading too slowly.
        token_maker: signs tokens for trying things out; None outside development.
        clock: of tails and of the status.
    """

    edge: Edge
    make_status: Callable[[], Awaitable[NodeStatus]]
    tap: EventTap
    slow_clients: SlowClients
    token_maker: TokenMaker | None
    clock: Clock
    _sockets: int = field(default=0, init=False)
    _status: NodeStatus | None = field(default=None, init=False)
    _status_at: float = field(default=0.0, init=False)

    @property
    def is_full(self) -> bool:
        """Whether no other operator can be shown anything now."""
        return self._sockets >= MAX_SOCKETS

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Count one operator inside the block."""
        self._sockets += 1
        try:
            yield
        finally:
            self._sockets -= 1

    async def status(self) -> NodeStatus:
        """The node's numbers, made once for all operators who ask at about the same time."""
        now = self.clock.monotonic()
        if self._status is None or now - self._status_at >= FRESH_SECONDS:
            self._status = await self.make_status()
            self._status_at = now
        return self._status
