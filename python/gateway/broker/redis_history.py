"""Rooms' histories, heads and live channels in Redis. All keys of a room are in one slot of a cluster."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from redis.exceptions import NoScriptError

from gateway.broker.failures import broker_error
from gateway.broker.redis_commands import RedisCommands
from gateway.broker.script import RedisArgument, load_script
from gateway.broker.streams_base import RelayResult, RoomBatch
from gateway.protocol.keys import fence_key, head_key, history_key, live_channel
from gateway.protocol.live import CriticalEvent, join_audiences, split_audiences
from gateway.protocol.position_rule import HistoryPage, HistoryView, after
from gateway.protocol.positions import ZERO, Position, entry_id, is_position, parse_id, position_of
from gateway.types import Room

HISTORY_EVENTS: Final = 1_000
"""Events that a room's history keeps."""

HISTORY_SECONDS: Final = 3_600
"""How long the history of a quiet room is kept."""

HEAD_SECONDS: Final = 604_800
"""How long a quiet room's last position is kept."""

_log = logging.getLogger("gateway.broker")

_Fields = Mapping[bytes, bytes]


class RedisHistory:
    """Keeps `streams_base.RoomHistory` and `streams_base.HistoryWriter`. For one event loop, not thread-safe.

    Args:
        commands: of the duty that asks: nodes share the one for commands, the relay has its own.
        events: cap of a room's history, at least 2.
        history_seconds: time to live of a history after its last event.
        head_seconds: time to live of a head after its last event.
    """

    def __init__(
        self,
        commands: RedisCommands,
        *,
        events: int = HISTORY_EVENTS,
        history_seconds: float = HISTORY_SECONDS,
        head_seconds: float = HEAD_SECONDS,
    ) -> None:
        if events < 2:  # noqa: PLR2004 - a batch is half of it, and at least one
            raise ValueError(f"a history keeps at least 2 events, got {events}")
        self._commands = commands
        self._numbers = (events, round(history_seconds * 1_000), round(head_seconds * 1_000))
        self._script = load_script("relay")

    async def heads(self, rooms: Sequence[Room]) -> list[Position | None]:
        """See `RoomHistory.heads`."""
        return [_head(value) for value in await self._commands.get_many([head_key(room) for room in rooms])]

    async def after(self, room: Room, position: Position, limit: int) -> HistoryPage:
        """See `RoomHistory.after`."""
        if limit < 1 or not is_position(position):
            raise ValueError(f"expected a position and a limit of at least 1, got {position[:60]!r} and {limit}")
        key = history_key(room)
        async with self._commands.asking() as client:
            # MULTI: history may be begun anew between two commands, and half of each would be a lie.
            pipeline: Any = client.pipeline(transaction=True)
            pipeline.get(head_key(room))
            pipeline.xrange(key, count=1)
            # One more than the position's own entry and what was asked for: whether there are more.
            pipeline.xrange(key, min=entry_id(position), count=limit + 2)
            head, oldest, tail = await pipeline.execute()
        try:
            events = [_event(*entry) for entry in tail]
            view = HistoryView(_head(head), _event(*oldest[0]) if oldest else None, events)
        except (KeyError, ValueError) as error:
            # Not written by a relay. Nothing can be said of what came after the position, and that is said.
            _log.warning("a history holds an entry that is none of the relay's: %s", error, extra={"key": key})
            return HistoryPage(known=False, entries=(), more=False, head=_head(head) or ZERO)
        return after(position, view, limit)

    async def kept(self, room: Room, limit: int) -> HistoryPage:
        """See `RoomHistory.kept`."""
        key = history_key(room)
        async with self._commands.asking() as client:
            pipeline: Any = client.pipeline(transaction=True)
            pipeline.get(head_key(room))
            pipeline.xrange(key, count=limit + 1)
            head, entries = await pipeline.execute()
        try:
            events = tuple(_event(*entry) for entry in entries)
        except (KeyError, ValueError) as error:
            _log.warning("a history holds an entry that is none of the relay's: %s", error, extra={"key": key})
            return HistoryPage(known=False, entries=(), more=False, head=_head(head) or ZERO)
        return HistoryPage(known=True, entries=events[:limit], more=len(events) > limit, head=_head(head) or ZERO)

    async def entry(self, room: Room, event_id: str) -> CriticalEvent | None:
        """The event with this id, if the room's history holds it.

        Raises:
            ValueError: it is no stream id.
            BrokerError: the server is away, refuses, or does not answer in time.
        """
        parse_id(event_id)
        async with self._commands.asking() as client:
            call: Any = client
            found = await call.xrange(history_key(room), min=event_id, max=event_id)
        try:
            return _event(*found[0]) if found else None
        except (KeyError, ValueError):
            return None  # not written by a relay

    async def relay(self, batches: Sequence[RoomBatch], *, fence: int, refeed: bool) -> list[RelayResult]:
        """See `HistoryWriter.relay`. One round trip, but for a server that does not know the script yet."""
        calls = [self._call(batch, fence, refeed=refeed) for batch in batches]
        if not calls:
            return []
        async with self._commands.asking() as client:
            pipeline: Any = client.pipeline(transaction=False)
            for call in calls:
                pipeline.execute_command("EVALSHA", self._script.sha, 4, *call)
            answers = await pipeline.execute(raise_on_error=False)
            for number, answer in enumerate(answers):
                # Rooms do not depend on each other, so those that failed alone are run again alone.
                if isinstance(answer, NoScriptError):
                    answers[number] = await self._script.run(client, calls[number][:4], calls[number][4:])  # type: ignore[arg-type]
        for answer in answers:
            if isinstance(answer, Exception):
                raise broker_error(self._commands.where, answer) from answer
        return [
            RelayResult(added, repeats, skipped, began, stale or None)
            for added, repeats, skipped, began, stale in answers
        ]

    def _call(self, batch: RoomBatch, fence: int, *, refeed: bool) -> list[RedisArgument]:
        room, entries = batch
        call: list[RedisArgument] = [
            history_key(room),
            head_key(room),
            fence_key(room),
            live_channel(room),
            fence,
            *self._numbers,
            int(refeed),
        ]
        for entry in entries:
            call += (entry.entry_id, join_audiences(entry.audiences), entry.payload)
        return call


def _head(value: bytes | None) -> Position | None:
    text = (value or b"").decode("ascii", "replace")
    # What is no position was not written by a relay; its next event makes the room begin again.
    return Position(text) if is_position(text) and text != ZERO else None


def _event(number: bytes, fields: _Fields) -> CriticalEvent:
    prev = fields[b"prev"].decode("ascii", "replace")
    if not is_position(prev):
        raise ValueError(f"prev is {prev[:60]!r}")
    payload = fields[b"event"]
    audiences = split_audiences(fields[b"audiences"].decode("ascii", "replace"))
    return CriticalEvent(position_of(number.decode(), payload), Position(prev), audiences, payload)
