"""The port of the dead-letter queue: what people do with events that could not be delivered.

`redis_dead_letters.py` keeps it; the relay writes the letters (`streams_base.SourceStream.bury`). Every method raises
`errors.BrokerError` when the server is away, refuses, or does not answer in time. All of it is for one event loop.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class KeptLetter(NamedTuple):
    """One entry of the dead-letter queue. What is missing in it, because no relay wrote it, is empty here.

    Attributes:
        id: its stream id in the queue.
        entry_id: the id that the event had in the source stream.
        event: what stood in the entry's field `event`, its first 64 KiB; None for an entry without that field.
        fields: the fields of an entry without `event`, as JSON; None otherwise.
        reason: a `protocol.events.DropReason`, or `failed`.
        error: the same in a sentence.
        tries: how often the entry was delivered to a relay.
        node: who gave up.
        time: when, Unix seconds.
    """

    id: str
    entry_id: str
    event: bytes | None
    fields: str | None
    reason: str
    error: str
    tries: int
    node: str
    time: float


class LetterPage(NamedTuple):
    """Some letters in a row, and where to go on: the cursor of the next page, or None at the end."""

    letters: list[KeptLetter]
    cursor: str | None


class DeadLetters(Protocol):
    """The queue, by the ids of its letters; `ValueError` for what is no stream id."""

    async def list(self, cursor: str | None = None, limit: int = 100, *, oldest_first: bool = False) -> LetterPage:
        """A page, newest first unless asked otherwise. Letters that come or go meanwhile disturb no other.

        Args:
            cursor: of the page before, in the same direction; None begins.
            limit: the most letters, at least 1.
            oldest_first: the order in which to replay.
        """
        ...

    async def get(self, letter_id: str) -> KeptLetter | None:
        """One letter; None when it is not there, or not any more."""
        ...

    async def replay(self, letter_id: str) -> str:
        """Emit a letter's event once more and take the letter out of the queue; the event's new stream id.

        The event goes to the end of the source, as if its producer had emitted it now: the relay gives it its place in
        its room's order. Repeating it is safe: within a day the same letter, and another letter of the same source
        entry, are emitted once, and every call answers with the id of that one.

        Raises:
            DeadLetterGoneError: there is no such letter, and none was replayed within a day.
            EventRefusedError: the gateway would refuse it again; nothing was done.
        """
        ...

    async def discard(self, letter_id: str) -> bool:
        """Take a letter out of the queue for good; whether it was there."""
        ...

    async def length(self) -> int:
        """How many letters there are."""
        ...
