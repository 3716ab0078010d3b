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
        sent: it was written at once.
        queued: it went into the outbox: behind what came just before it, because the client reads slowly, or until the
            client has resumed. What waits there is written, or lost with the connection, whose client resumes then.
        dropped: by reason: `connection_ended`, it was gone, or too slow to be kept.
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
