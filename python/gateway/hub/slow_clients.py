"""Who was closed lately for reading too slowly."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

KEPT: Final = 50
"""The last ones: enough to see whether it is one client, one branch or everybody."""


class SlowClient(msgspec.Struct, frozen=True):
    """One of them.

    Attributes:
        at: Unix seconds of its close (1013).
        connection: its name.
        tenant: whose it was.
        subject: who was behind it: `user:12`, or of diners `session:77`.
        endpoint: by which it came.
        seconds: how long it was connected.
    """

    at: float
    connection: str
    tenant: int
    subject: str
    endpoint: str
    seconds: int


class SlowClients:
    """The last `KEPT` of them, of this node. For one event loop."""

    def __init__(self) -> None:
        self._last: deque[SlowClient] = deque(maxlen=KEPT)
        self.total = 0
        """How many there were since the start."""

    def add(self, client: SlowClient) -> None:
        """One more was closed."""
        self._last.append(client)
        self.total += 1

    def newest_first(self) -> list[SlowClient]:
        """Those that are kept."""
        return list(reversed(self._last))
