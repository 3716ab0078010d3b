"""Looking at events on their way into the fan-out, without standing in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from gateway.fanout.base import CoreStats, Submission
from gateway.ingest.live_base import RoomFanout
from gateway.protocol.positions import Position
from gateway.types import Room

_log = logging.getLogger("gateway.ingest")


class TapWatcher(Protocol):
    """Who looks."""

    def on_submitted(self, items: Sequence[Submission], accepted: Sequence[bool]) -> None:
        """The fan-out was given these and answered so, in order. Called inside ingest: must be quick and never wait."""
        ...


class EventTap:
    """Stands for the fan-out towards the ways in, and shows to watchers what they submit.

    Without a watcher it costs one look at an empty tuple for each batch. A watcher that raises is logged and let go:
    no event waits for it and none is lost by it.

    For one event loop; not thread-safe.
    """

    def __init__(self, fanout: RoomFanout) -> None:
        """`fanout` takes the events."""
        self._fanout = fanout
        self._watchers: tuple[TapWatcher, ...] = ()

    @contextmanager
    def watched(self, watcher: TapWatcher) -> Iterator[None]:
        """Show events to `watcher` inside the block."""
        self._watchers = (*self._watchers, watcher)
        try:
            yield
        finally:
            self._let_go(watcher)

    def submit_many(self, items: Sequence[Submission]) -> list[bool]:
        """See `RoomFanout.submit_many`."""
        accepted = self._fanout.submit_many(items)
        for watcher in self._watchers:
            try:
                watcher.on_submitted(items, accepted)
            except Exception:  # noqa: BLE001 - logged in full; who looks must not end what it looks at
                _log.exception("a watcher of events failed, and is let go")
                self._let_go(watcher)
        return accepted

    def announce(self, room: Room, text: str, position: Position) -> bool:
        """See `RoomFanout.announce`."""
        return self._fanout.announce(room, text, position)

    def stats(self) -> CoreStats:
        """See `RoomFanout.stats`."""
        return self._fanout.stats()

    def _let_go(self, watcher: TapWatcher) -> None:
        self._watchers = tuple(other for other in self._watchers if other is not watcher)
