"""What waits in an outbox: messages that are shared by all their recipients, gaps, and the close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.fanout.base import PageEntry
from gateway.protocol.messages import gap

ENTRY_OVERHEAD = 128
"""Bytes charged for every entry beside its text: its share of the outbox' table and, for texts of one connection
alone, the string's and the entry's own headers (CPython 3.11, 64 bit, rounded up)."""


class Sort(Enum):
    """What may happen to a message when its outbox overflows."""

    BEST_EFFORT = "best effort"  # may be dropped; a gap then stands in its place
    CRITICAL = "critical"  # never dropped: it has a position, and the client counts on it
    CONTROL = "control"  # never dropped: welcome, pong, answers


@dataclass(frozen=True, slots=True)
class Message:
    """One text message. Immutable, so one object stands in every recipient's outbox.

    Attributes:
        text: what is sent.
        cost: bytes charged for it in every outbox that holds it: UTF-8 length and `ENTRY_OVERHEAD`.
        sort: whether it may be dropped.
    """

    text: str
    cost: int
    sort: Sort


@dataclass(frozen=True, slots=True)
class Gap:
    """Stands where `dropped` best-effort events stood. Its text is built when it is sent: until then it may grow."""

    dropped: int

    @property
    def text(self) -> str:
        """What is sent."""
        return gap(self.dropped)


GAP_COST = ENTRY_OVERHEAD + len(gap(2**32))
"""Bytes charged for a gap. The same for every count, so that a gap never outgrows an outbox by merging."""


@dataclass(frozen=True, slots=True)
class Close:
    """The close handshake's first half; nothing follows it."""

    code: int


CLOSE_COST = ENTRY_OVERHEAD
"""Bytes charged for a close."""

Entry = Message | Gap | Close


def event_message(payload: bytes, *, critical: bool) -> Message:
    """An event as it goes out; the only place where an event is decoded.

    Raises:
        UnicodeDecodeError: the payload is not UTF-8, which the edge has promised.
    """
    sort = Sort.CRITICAL if critical else Sort.BEST_EFFORT
    return Message(payload.decode(), len(payload) + ENTRY_OVERHEAD, sort)


def page_message(entry: PageEntry, splice: Callable[[bytes, str], bytes]) -> Message:
    """An entry of a page as it goes out.

    Raises:
        ValueError: see `Fanout.page`.
    """
    if entry.position is None:
        return control_message(entry.payload.decode())
    return event_message(splice(entry.payload, entry.position), critical=True)


def control_message(text: str) -> Message:
    """A message of the gateway's own for one connection."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return Message(text, size + ENTRY_OVERHEAD, Sort.CONTROL)
