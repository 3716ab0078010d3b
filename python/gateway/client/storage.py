"""Where positions outlive the process."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Protocol


class PositionStorage(Protocol):
    """Keeps positions for one client: one endpoint, one subject. Both methods may be coroutines.

    It is of use to an application that keeps what it makes of the events, too: whoever begins with an empty state
    fetches all of it, and needs no position.
    """

    def load(self) -> Mapping[str, str] | Awaitable[Mapping[str, str] | None] | None:
        """Branch to position as they were saved last; None for a first run."""
        ...

    def save(self, positions: Mapping[str, str], /) -> Awaitable[None] | None:
        """Keep them, in place of those before. They count what the application has taken from the client."""
        ...
