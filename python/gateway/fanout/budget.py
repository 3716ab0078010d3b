"""The node's outbox budget."""

from __future__ import annotations

from typing import Protocol


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


class NodeOutboxes(Protocol):
    """Where all owners' outboxes are added up; `NativeCore` keeps it."""

    def charge(self, delta: int) -> None:
        """So many bytes more, or fewer, wait."""
        ...

    def outbox_bytes(self) -> int:
        """Bytes that wait in all outboxes of the node."""
        ...


class SharedBudget(OutboxBudget):
    """The budget of an event loop that shares the node with reactors: one limit for all of them.

    Each owner closes the largest outboxes of its own. Event loop only; the sum itself is thread-safe.
    """

    __slots__ = ("_node", "_own")

    def __init__(self, limit: int, node: NodeOutboxes) -> None:
        self._node = node
        self._own = 0
        super().__init__(limit)

    @property
    def used(self) -> int:
        """Bytes that wait in the event loop's outboxes now."""
        return self._own

    @used.setter
    def used(self, value: int) -> None:
        self._node.charge(value - self._own)
        self._own = value

    @property
    def exceeded(self) -> bool:
        """Whether more waits on the node than may."""
        return 0 < self.limit < self._node.outbox_bytes()
