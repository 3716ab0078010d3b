"""What the console's page and its socket say to each other: JSON texts with a `type`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.endpoints.api.status import NodeStatus
from gateway.endpoints.console.tail import EventTail, TailEvent
from gateway.endpoints.console.tail_filter import TailFilter
from gateway.hub.slow_clients import SlowClient


class Tail(msgspec.Struct, frozen=True, tag_field="type", tag="tail", forbid_unknown_fields=True):
    """Show events from now on, or (`on` false) show none; `filter` replaces the one before."""

    on: bool
    filter: TailFilter = TailFilter()


_decode = msgspec.json.Decoder(Tail).decode
_encode = msgspec.json.Encoder().encode


def parse_request(text: str) -> Tail:
    """What the page asks.

    Raises:
        ValueError: it is none of that; the sentence says what was expected.
    """
    try:
        return _decode(text)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a message of the console ({error}); expected type tail with on and filter") from None


def welcome(node: str, scopes: Iterable[str], *, tokens: bool) -> str:
    """The first message: where one is, what one's key is good for, and whether tokens can be made."""
    return _text({"type": "welcome", "node": node, "scopes": sorted(scopes), "tokens": tokens})


def status(values: NodeStatus) -> str:
    """The node's numbers, each second."""
    return _text({"type": "status", "status": values})


def slow(clients: Sequence[SlowClient]) -> str:
    """Who was closed for reading too slowly, the newest first; whenever there is another."""
    return _text({"type": "slow", "clients": clients})


def events(shown: Sequence[TailEvent], tail: EventTail) -> str:
    """A part of the tail, with its counts since it was opened."""
    return _text({"type": "events", "events": shown, "seen": tail.seen, "skipped": tail.skipped})


def error(sentence: str) -> str:
    """What was wrong with the page's last message."""
    return _text({"type": "error", "error": sentence})


def _text(message: Mapping[str, Any]) -> str:
    return _encode(message).decode()
