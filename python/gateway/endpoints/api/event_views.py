"""What the operator API is told of events to send, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.client.emission import MAX_KEY_BYTES
from gateway.errors import BadRequestError
from gateway.hub.publish_rate import MAX_BATCH

_Channel = Annotated[str, Meta(max_length=64)]
_Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_BYTES)]
_JSON: Final = "An event as a producer writes it; it is passed on byte for byte."
_Event = Annotated[msgspec.Raw, Meta(description=_JSON, extra_json_schema={"type": "object"})]


class PublishItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One best-effort event.

    Attributes:
        event: the event.
        channel: goes to this channel's audience alone; without one, once to each audience of the routing table.
    """

    event: _Event
    channel: _Channel | None = None


class PublishBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, or several in `events`."""

    event: _Event | UnsetType = UNSET
    channel: _Channel | None = None
    events: Annotated[list[PublishItem], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET

    @property
    def items(self) -> Sequence[PublishItem]:
        """The events.

        Raises:
            BadRequestError: neither form, or both.
        """
        if self.event is not UNSET and self.events is UNSET:
            return (PublishItem(self.event, self.channel),)
        if self.event is UNSET and self.events is not UNSET and self.channel is None:
            return self.events
        raise BadRequestError(
            'the body has neither form; expected {"event":…} with or without `channel`, or {"events":[…]}'
        )


class EmitItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One critical event, and its idempotency key."""

    event: _Event
    key: _Key | None = None


class EmitBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event, or several in `events`."""

    event: _Event | UnsetType = UNSET
    key: _Key | None = None
    events: Annotated[list[EmitItem], Meta(min_length=1, max_length=MAX_BATCH)] | UnsetType = UNSET

    def items(self, header_key: str | None) -> Sequence[EmitItem]:
        """The events; the header's key is the single one's.

        Raises:
            BadRequestError: neither form, or both, or a key that is not one event's, or two for one event.
        """
        keys = [key for key in (self.key, header_key) if key is not None]
        if self.event is not UNSET and self.events is UNSET and len(set(keys)) <= 1:
            return (EmitItem(self.event, keys[0] if keys else None),)
        if self.event is UNSET and self.events is not UNSET and not keys:
            return self.events
        raise BadRequestError(
            'the body has neither form; expected {"event":…} with one key at most, in `key` or in the header'
            ' Idempotency-Key, or {"events":[{"event":…,"key":…},…]}'
        )


class PublishResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an event.

    Attributes:
        nodes: how many subscriptions heard it: nodes, not clients.
        refused: the drop reason, of one that was not sent.
        error: the same in a sentence.
    """

    nodes: int | UnsetType = UNSET
    refused: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class EmitResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of an event.

    Attributes:
        event_id: the id that clients see; for a repeated key that of the first time.
        refused: the drop reason, of one that was not sent.
        error: the same in a sentence.
    """

    event_id: str | UnsetType = UNSET
    refused: str | UnsetType = UNSET
    error: str | UnsetType = UNSET


class PublishResults(msgspec.Struct, frozen=True):
    """One result for each event, in order."""

    results: list[PublishResult]


class EmitResults(msgspec.Struct, frozen=True):
    """One result for each event, in order."""

    results: list[EmitResult]
