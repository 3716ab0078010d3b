"""What the console's routes need of the gateway behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.endpoints.console.token_maker import TokenMaker
from gateway.endpoints.edge import Edge
from gateway.ingest.tap import EventTap
from gateway.types import Clock

MAX_SOCKETS: Final = 8
"""Operators that look at one process at a time: each costs the event loop a status a second and a tail."""

StatusSource = Callable[[], Awaitable[Mapping[str, Any]]]
"""The node's numbers, as `GET /api/v1/status` answers them; never raises for a Redis that is away."""


@dataclass(slots=True)
class Desk:
    """Filled by the composition root. For one event loop.

    Attributes:
        node: this node's name.
        edge: the operator's key, and whether this is development.
        status: the node's numbers.
        tap: where events are seen.
        token_maker: signs tokens for trying things out; None outside development.
        clock: of tails and of the status.
    """

    node: str
    edge: Edge
    status: StatusSource
    tap: EventTap
    token_maker: TokenMaker | None
    clock: Clock
    _sockets: int = field(default=0, init=False)

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
