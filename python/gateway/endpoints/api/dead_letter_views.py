"""What the operator API says of dead letters, and what it is told."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from gateway.broker.dead_letters_base import KeptLetter

MOST_REPLAYS: Final = 200
"""Letters that one request replays: each is two or three round trips to Redis."""

LetterId = Annotated[str, Meta(max_length=41)]


class Letter(msgspec.Struct, frozen=True):
    """A dead letter.

    Attributes:
        id: its id in the queue.
        entry_id: the id that the event had in `events:critical`.
        event: what was emitted, as text: it may be anything, and of one that was too long it is the beginning.
        fields: of an entry without the field `event`: its fields as JSON.
        reason: a drop reason, or `failed`.
        error: the same in a sentence.
        tries: how often it was tried.
        node: which node gave up.
        time: when, in Unix seconds.
    """

    id: str
    entry_id: str
    event: str | None
    fields: str | None
    reason: str
    error: str
    tries: int
    node: str
    time: float

    @classmethod
    def of(cls, kept: KeptLetter) -> Letter:
        """As it stands in an answer; bytes that are no text are shown by number."""
        event = None if kept.event is None else kept.event.decode("utf-8", "backslashreplace")
        return cls(**(kept._asdict() | {"event": event}))


class Letters(msgspec.Struct, frozen=True):
    """A page of letters, newest first."""

    entries: list[Letter]
    cursor: str | None


class Replayed(msgspec.Struct, frozen=True):
    """The id that the event has now; the same when it is replayed again."""

    event_id: str


class Discarded(msgspec.Struct, frozen=True):
    """Whether it was there."""

    discarded: bool


class ReplayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which letters: by `ids`, in this order, or `all`, the oldest first."""

    ids: Annotated[list[LetterId], Meta(min_length=1, max_length=MOST_REPLAYS)] | None = None
    all: bool = False


class ReplayResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a letter: its event's id, or why it was not replayed."""

    id: str
    event_id: str | None = None
    error: str | None = None


class ReplayResults(msgspec.Struct, frozen=True):
    """One result for each letter, in order; `more` says that `all` left some for the next request."""

    results: list[ReplayResult]
    more: bool
