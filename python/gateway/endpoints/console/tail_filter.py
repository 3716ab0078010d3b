"""Which events an operator asked to see."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from gateway.fanout.base import Submission
from gateway.types import MAX_ID

_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]

Delivery = Literal["all", "critical", "best_effort"]


class _TypeOnly(msgspec.Struct):
    type: str = ""


_decode = msgspec.json.Decoder(_TypeOnly).decode


def type_of(payload: bytes) -> str:
    """An event's type; empty where it cannot be read, which the edge does not let through. Thread-safe."""
    try:
        return _decode(payload).type
    except msgspec.MsgspecError:
        return ""


class TailFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it must hold; what is None or empty always does. Immutable, thread-safe.

    Attributes:
        tenant: the event's tenant.
        branch: the event's branch.
        delivery: whether critical events, best-effort ones or all are seen.
        type: a part of the event's type, in any case of letters.
        text: a part of the event's JSON as it was published, letter for letter.
    """

    tenant: _Id | None = None
    branch: _Id | None = None
    delivery: Delivery = "all"
    type: Annotated[str, Meta(max_length=128)] = ""
    text: Annotated[str, Meta(max_length=256)] = ""

    @property
    def needs_reading(self) -> bool:
        """Whether an event's bytes must be looked at, which costs more than a comparison of numbers."""
        return bool(self.type or self.text)

    def may_match(self, item: Submission) -> bool:
        """The part that is told without looking at the event's bytes."""
        room, critical = item.room, item.position is not None
        return (
            self.tenant in (None, room.tenant)
            and self.branch in (None, room.branch)
            and (self.delivery == "all" or critical == (self.delivery == "critical"))
        )

    def matches_bytes(self, payload: bytes) -> bool:
        """The part that is in the event's bytes."""
        if self.text and self.text.encode() not in payload:
            return False
        return not self.type or self.type.upper() in type_of(payload).upper()
