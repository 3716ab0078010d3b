"""What is said of an event's delivery, as it stands in JSON."""

from __future__ import annotations

import msgspec


class NodeDelivery(msgspec.Struct, frozen=True):
    """What became of a critical event on one node.

    Attributes:
        node: which.
        tenant: the event's tenant.
        branch: the event's branch.
        type: its type; null where the node has forgotten the event itself.
        matched: connections that were entitled to it; each is in one of the counts below.
        sent: the kernel took all of it at once.
        queued: it went into the outbox: behind what waited, in a burst, or behind the history of one that resumes. On
            ASGI connections all are, since a writer of their own sends.
        dropped: by reason: `slow_client` was closed (1013) in place of it, `connection_lost` turned out to be gone.
        at: Unix seconds at which the last one was reached.
        seconds: from accepting it until then.
    """

    node: str
    tenant: int
    branch: int
    type: str | None
    matched: int
    sent: int
    queued: int
    dropped: dict[str, int]
    at: float
    seconds: float


class Receipt(msgspec.Struct, frozen=True):
    """Whether a connection got an event.

    Attributes:
        got_it: true: it was passed to it; false: it was not, or not yet; null: that cannot be told.
        why: the reason, in a sentence.
        position: the connection's position in the event's branch; null where it has none.
    """

    got_it: bool | None
    why: str
    position: str | None = None
