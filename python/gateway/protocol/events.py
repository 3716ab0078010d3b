"""Events: the shape that is checked once, at the edge, and the reasons for which one is dropped."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.errors import EventRefusedError
from gateway.types import MAX_ID, Room

MAX_EVENT_BYTES = 65_536
"""An event's JSON, in bytes."""


class DropReason(StrEnum):
    """Why an event was not delivered: the label of `gateway_events_dropped_total`."""

    BAD_JSON = "bad_json"
    BAD_SHAPE = "bad_shape"
    TOO_BIG = "too_big"
    RESERVED_MEMBER = "reserved_member"
    UNKNOWN_TYPE = "unknown_type"
    NOT_FOR_AUDIENCE = "not_for_audience"
    CHANNEL_MISMATCH = "channel_mismatch"
    QUEUE_FULL = "queue_full"
    TENANT_RATE = "tenant_rate"


DROP_REASONS: dict[DropReason, str] = {
    DropReason.BAD_JSON: "not JSON, not UTF-8, or nested too deep",
    DropReason.BAD_SHAPE: (
        "not an object, or `type`, `tenant_id`, `branch_id`, `session_id` or `sector_id` missing or of the wrong type"
    ),
    DropReason.TOO_BIG: "over 64 KiB",
    DropReason.RESERVED_MEMBER: "brings `event_id` or `position`, which are the gateway's to set",
    DropReason.UNKNOWN_TYPE: "a type that the routing table does not know",
    DropReason.NOT_FOR_AUDIENCE: "a type that the routing table does not give to the channel's audience",
    DropReason.CHANNEL_MISMATCH: (
        "the channel is none of the gateway's, or names another branch, session or sector than the event"
    ),
    DropReason.QUEUE_FULL: "no permit was free: the node or the room has too many broadcasts waiting",
    DropReason.TENANT_RATE: "its tenant brings more best-effort events than `GATEWAY_EVENT_RATE_PER_TENANT`",
}
"""What each reason means, for the documentation and for `EventRefusedError`."""

_Id = Annotated[int, Meta(ge=1, le=MAX_ID)]


class _Shape(msgspec.Struct):
    """What is read of an event. msgspec is strict here: no bool, float or string passes for an integer."""

    type: Annotated[str, Meta(min_length=1, max_length=128)]
    tenant_id: _Id
    branch_id: _Id
    session_id: _Id | None = None  # JSON null is an absent id: serializers write it for None
    sector_id: _Id | None = None
    # Raw values: only their presence matters, and an escaped spelling of the name is the same member.
    event_id: msgspec.Raw | UnsetType = UNSET
    position: msgspec.Raw | UnsetType = UNSET


class Event(msgspec.Struct, frozen=True):
    """A checked event. `payload` is the producer's JSON, byte for byte, and is valid UTF-8."""

    type: str
    room: Room
    session_id: int | None
    sector_id: int | None
    payload: bytes

    @property
    def tenant_id(self) -> int:
        """The tenant that the event belongs to."""
        return self.room.tenant

    @property
    def branch_id(self) -> int:
        """The branch that the event belongs to."""
        return self.room.branch


_decode = msgspec.json.Decoder(_Shape).decode


def refuse(reason: DropReason, detail: str = "") -> EventRefusedError:
    """The error for a reason, with what was wrong in this case."""
    meaning = DROP_REASONS[reason]
    return EventRefusedError(reason, f"{reason}: {meaning}{f' ({detail})' if detail else ''}")


class _Typed(msgspec.Struct):
    type: str


_decode_type = msgspec.json.Decoder(_Typed).decode


def event_type(payload: bytes) -> str | None:
    """The type of an event that was checked before; None where a payload is none. Thread-safe."""
    try:
        return _decode_type(payload).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def parse_event(payload: bytes) -> Event:
    """Check an event's shape. Thread-safe.

    Where a member stands twice the last one counts, here as in JSON.parse, so that gateway and client agree.

    Raises:
        EventRefusedError: `too_big`, `bad_json`, `bad_shape` or `reserved_member`.
    """
    if len(payload) > MAX_EVENT_BYTES:
        raise refuse(DropReason.TOO_BIG, f"{len(payload)} bytes")
    try:
        shape = _decode(payload)
        # The decoder skips over values that it does not need without looking at their UTF-8, and a text frame
        # that is not UTF-8 makes every recipient close with 1007.
        payload.decode()
    except msgspec.ValidationError as error:
        raise refuse(DropReason.BAD_SHAPE, str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(DropReason.BAD_JSON, str(error)) from None
    if shape.event_id is not UNSET or shape.position is not UNSET:
        raise refuse(DropReason.RESERVED_MEMBER)
    return Event(shape.type, Room(shape.tenant_id, shape.branch_id), shape.session_id, shape.sector_id, payload)
