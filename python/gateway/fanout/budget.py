"""The node's outbox budget."""

from __future__ import annotations


class OutboxBudget:
    """How many bytes wait in all outboxes together. Event loop only.

    Every outbox charges it as it grows and shrinks; the owner looks at `exceeded` after a push, and closes the
    largest. It is a sum and not a limiter, since only the owner knows which outbox to give up.

    Attributes:
        limit: bytes that may wait on the whole node; 0 is unlimited.
        used: bytes that wait now.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def exceeded(self) -> bool:
        """Whether more waits than may."""
        return 0 < self.limit < self.used
